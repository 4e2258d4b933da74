"""The queue of a shared cluster, in every order in which its jobs may come to read and write."""

from hypothesis import given, settings
from hypothesis import strategies as st

from preimage.cluster.queue import KEPT, Queue, Ticket, total
from preimage.cluster.room import waits_for
from simulation.processes import Process, Processes


class MemoryBoard:
    """The tickets of a cluster in memory. `step` is called before each operation: others may come first."""

    def __init__(self, cpus: float) -> None:
        self.cpus, self.tickets, self.dead = cpus, {}, set()
        self.step = lambda: None

    def numbers(self):
        self.step()
        return set(self.tickets)

    def add(self, number, ticket):
        self.step()
        return self.tickets.setdefault(number, ticket) is ticket

    def write(self, number, ticket):
        self.step()
        self.tickets[number] = ticket

    def read(self, number):
        self.step()
        return self.tickets.get(number, {})

    def remove(self, number):
        self.step()
        self.tickets.pop(number, None)

    def ended(self):
        self.step()
        return set(self.dead)

    def capacity(self):
        return {"CPU": self.cpus}


def new(job: str, cpus: float, unit: float = 0) -> Ticket:
    return Ticket(job, f"run-{job}", "10:00", {"CPU": cpus}, {"CPU": unit} if unit else {})


def arrived(board: MemoryBoard, *cpus: float) -> list[Ticket]:
    return [Queue(board).arrive(new(str(place), each)) for place, each in enumerate(cpus)]


def test_two_that_do_not_fit_at_once_begin_in_order():
    board = MemoryBoard(4)
    queue = Queue(board)
    first, second, third = arrived(board, 2, 4, 1)
    assert queue.begin(first)
    assert queue.begin(third) is None, "it would fit, but the second came before it"
    assert queue.begin(second) is None
    queue.leave(first)
    assert queue.begin(second)
    assert queue.begin(third) is None
    queue.leave(second)
    assert queue.begin(third)


def test_the_room_of_a_dead_job_is_free():
    board = MemoryBoard(2)
    first, second = arrived(board, 2, 2)
    assert Queue(board).begin(first)
    waits = Queue(board)
    assert waits.begin(second) is None
    board.dead.add("0")
    assert waits.begin(second)


def test_who_waits_says_for_what():
    board = MemoryBoard(4)
    queue = Queue(board)
    first, second, third = arrived(board, 2, 4, 1)
    first = queue.begin(first)
    assert first
    said = waits_for(second, queue.tickets(), board.capacity())
    assert said == f"4 CPUs: 2 of 4 CPUs are free; run-0 holds 2 CPUs since {first.since}; first in line"
    assert waits_for(third, queue.tickets(), board.capacity()).endswith("second in line")


def test_a_study_grows_into_what_is_free_and_owes_what_another_lacks():
    board = MemoryBoard(4)
    queue = Queue(board)
    study = queue.begin(queue.arrive(new("study", 1, unit=1)))
    assert study
    study = queue.grow(study, most=9)
    assert study.holds == {"CPU": 4}
    other = queue.arrive(new("other", 2))
    assert queue.begin(other) is None
    assert queue.owed(study) == 2
    assert queue.grow(study, most=9) == study
    study = queue.shrink(study, 1)
    other = queue.begin(other)
    assert other
    assert queue.owed(study) == 0
    queue.leave(other)
    assert queue.grow(study, most=2).holds == {"CPU": 3}


def test_who_grows_takes_it_back_if_another_came_before_that_was_written():
    board = MemoryBoard(2)
    queue, write, begun = Queue(board), board.write, []
    study = queue.begin(queue.arrive(new("study", 1, unit=1)))
    assert study

    def write_late(number, ticket):
        board.write = write
        begun.append(Queue(board).begin(Queue(board).arrive(new("other", 1))))
        write(number, ticket)

    board.write = write_late
    assert queue.grow(study, most=1).holds == {"CPU": 1}
    assert begun[0], "it saw the room as free"
    assert total(each.holds for each in queue.tickets()) == {"CPU": 2}


def test_old_numbers_are_removed_and_never_given_again():
    board = MemoryBoard(1)
    oldest = Queue(board).arrive(new("oldest", 1))
    for each in range(3 * KEPT):
        Queue(board).leave(Queue(board).arrive(new(str(each), 1)))
    assert len(board.tickets) <= KEPT + 3
    assert oldest.number in board.tickets, "it has not ended"


def test_who_comes_with_a_number_that_others_had_meanwhile_takes_another():
    board = MemoryBoard(1)
    first = Queue(board).arrive(new("first", 1))
    add = board.add

    def add_late(number, ticket):
        """After so many others have come and gone that the number was removed."""
        board.add = add
        board.tickets |= {each: {} for each in range(number + 1, number + KEPT + 2)}
        return add(number, ticket)

    board.add = add_late
    late = Queue(board).arrive(new("late", 1))
    assert late.number == first.number + KEPT + 3
    assert [each.job for each in Queue(board).tickets()] == ["first", "late"]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_whoever_comes_ends_or_dies_in_any_order_all_begin_in_turn_and_never_hold_more_than_there_is(seed):
    """Several jobs, fixed ones and studies; between any two operations of one, others may do theirs."""
    processes, board = Processes(seed), MemoryBoard(4)
    held: dict[str, float] = {}
    """What each job uses: never before its ticket says so."""
    waits: dict[int, tuple[str, int]] = {}
    """The jobs that have come and not begun, by their numbers."""

    def job(name: str, cpus: int, most: int, turns: int, dies: float):
        def main(process: Process) -> None:
            draw = processes.random.random

            def step() -> None:
                if draw() < dies:
                    end(name)
                    process.die()
                process.sleep(draw() ** 8 * 30)  # mostly at once, now and then much later than others

            def end(name: str) -> None:
                board.dead.add(name)
                held.pop(name, None)
                for number in [each for each, (who, _) in waits.items() if who == name]:
                    del waits[number]

            own = MemoryBoard(4)
            own.tickets, own.dead, own.step = board.tickets, board.dead, step
            queue = Queue(own)
            process.sleep(draw() * 5)
            ticket = queue.arrive(new(name, cpus, unit=1 if most else 0))
            waits[ticket.number] = (name, cpus)
            while not (begun := queue.begin(ticket)):
                process.sleep(1)
            del waits[ticket.number]
            held[name] = cpus
            before = sum(needs for number, (_, needs) in waits.items() if number < ticket.number)
            assert sum(held.values()) + before <= 4, "it delays somebody who came before it"
            for _ in range(turns):
                if owed := queue.owed(begun):
                    held[name] -= owed
                    begun = queue.shrink(begun, begun.units - owed)
                else:
                    begun = queue.grow(begun, most)
                    held[name] = total([begun.holds])["CPU"]
                assert sum(held.values()) <= 4, "more is held than there is"
                process.sleep(draw() * 8)
            del held[name]
            queue.leave(begun)

        return main

    draws = processes.random
    for number in range(draws.randint(2, 7)):
        life = (draws.randint(1, 4), draws.choice([0, 0, 3]), draws.randint(0, 8), draws.choice([0, 0, 0.02]))
        processes.start(str(number), job(str(number), *life))
    processes.run()
    assert not held
    assert not waits, "everybody began"
