"""A queue for the room of a cluster that several jobs share: each begins in the order of arrival.

No process stands in the middle. Each job writes a ticket to the cluster's own store and reads the others'.
Why that is enough:
1. A ticket's number is given by the write that makes the ticket. So whoever has a number sees every ticket
   before its own.
2. A job begins once all tickets before its own fit into the cluster together with it, also those that have
   not begun. Tickets after it do not count, and those before it only end. So what has begun fits, nobody is
   overtaken, and the first of those who wait begins at the latest when all who began have ended.
3. A job that can use more room than it needs writes what it would hold, reads all tickets again, and takes it
   back unless all that is held or waited for fits. A newcomer first writes its ticket, then reads. Whoever
   wrote last sees the other.
4. A ticket is void once Ray says that its job has ended, however it ended. A number that was removed cannot
   be given again: only those far below the newest are removed, and who is that late with one gives it back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from typing import Any, Protocol

from preimage.storage.host_info import now

Room = Mapping[str, float]
"""Amounts by Ray's names of resources, such as {"CPU": 4.0}."""

KEPT = 16
"""How many of the newest numbers stay in the store after their jobs have ended."""
SLACK = 1e-6
"""Sums of fractions of a resource are not exact."""


@dataclass(frozen=True)
class Ticket:
    """A place in the queue, and what its job holds once it has begun."""

    job: str
    """Ray's id of the job; its end ends the ticket."""
    who: str
    """The submission or the run, for people."""
    since: str
    """When it came; once it has begun, when that was."""
    needs: Room
    """What it needs to begin."""
    unit: Room = field(default_factory=dict)
    """What it can use beyond that, several times."""
    units: int = 0
    """How many of these it holds."""
    has_begun: bool = False
    number: int = -1

    @property
    def holds(self) -> dict[str, float]:
        return total([self.needs, *[self.unit] * self.units])


class Board(Protocol):
    """What the queue asks of a cluster."""

    def numbers(self) -> set[int]: ...
    def add(self, number: int, ticket: dict[str, Any]) -> bool:
        """Write a ticket under a number, in one operation; False if the number has one already."""
        ...

    def write(self, number: int, ticket: dict[str, Any]) -> None: ...
    def read(self, number: int) -> dict[str, Any]:
        """A ticket; empty if it has ended or was removed."""
        ...

    def remove(self, number: int) -> None: ...
    def ended(self) -> set[str]:
        """The jobs that have ended, however they ended."""
        ...

    def capacity(self) -> Room:
        """What the cluster has, whether it is used or not."""
        ...


class Queue:
    """The queue as one job sees it."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._over: set[int] = set()

    def arrive(self, ticket: Ticket) -> Ticket:
        """Take the last place."""
        while True:
            number = max(self._tidied(), default=-1) + 1
            mine = replace(ticket, number=number)
            if self.board.add(number, asdict(mine)):
                if max(self.board.numbers()) - number <= KEPT:
                    return mine
                self.board.remove(number)  # so late that others had it and are gone

    def leave(self, ticket: Ticket) -> None:
        self.board.write(ticket.number, {})

    def tickets(self) -> list[Ticket]:
        """Those whose jobs have not ended, in their order."""
        gone, found = self.board.ended(), []
        for number in sorted(self.board.numbers() - self._over):
            known = self.board.read(number)
            if known and known["job"] not in gone:
                found.append(Ticket(**known))
            else:
                self._over.add(number)
        return found

    def begin(self, ticket: Ticket) -> Ticket | None:
        """The ticket with its room; None if it has to wait."""
        if lacks(ticket, self.tickets(), self.board.capacity()):
            return None
        return self._rewritten(replace(ticket, has_begun=True, since=now()))

    def grow(self, ticket: Ticket, most: int) -> Ticket:
        """The ticket with as many units, up to `most`, as nobody holds or waits for."""
        capacity = self.board.capacity()
        more = min(most - ticket.units, _fitting(ticket.unit, self.tickets(), capacity))
        if more <= 0:
            return ticket
        grown = self._rewritten(replace(ticket, units=ticket.units + more))
        return grown if _fits(self.tickets(), capacity) else self._rewritten(ticket)

    def shrink(self, ticket: Ticket, units: int) -> Ticket:
        """The ticket with no more than so many units."""
        return ticket if units >= ticket.units else self._rewritten(replace(ticket, units=units))

    def owed(self, ticket: Ticket) -> int:
        """How many of its units the first of those who wait lacks."""
        tickets = self.tickets()
        first = next((each for each in tickets if not each.has_begun), None)
        lack = lacks(first, tickets, self.board.capacity()) if first else {}
        counts = [ceil(each / ticket.unit[name]) for name, each in lack.items() if ticket.unit.get(name)]
        return min(max(counts, default=0), ticket.units)

    def _rewritten(self, ticket: Ticket) -> Ticket:
        self.board.write(ticket.number, asdict(ticket))
        return ticket

    def _tidied(self) -> set[int]:
        """All numbers; removes old ones that are over."""
        numbers, gone = self.board.numbers(), self.board.ended()
        for number in [each for each in numbers if each < max(numbers) - KEPT]:
            known = self.board.read(number)
            if not known or known["job"] in gone:
                self.board.remove(number)
        return numbers


def lacks(ticket: Ticket, tickets: Iterable[Ticket], capacity: Room) -> dict[str, float]:
    """What is missing for a ticket to begin, by resource: empty if it may."""
    before = [each for each in tickets if each.number < ticket.number or each.has_begun]
    taken = total(each.holds for each in before if each.number != ticket.number)
    missing = {name: taken.get(name, 0) + each - capacity.get(name, 0) for name, each in ticket.needs.items()}
    return {name: each for name, each in missing.items() if each > SLACK}


def free(tickets: Iterable[Ticket], capacity: Room) -> dict[str, float]:
    """What nobody who has begun holds."""
    taken = total(each.holds for each in tickets if each.has_begun)
    return {name: max(0.0, each - taken.get(name, 0)) for name, each in capacity.items()}


def total(rooms: Iterable[Room]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in rooms:
        for name, number in each.items():
            found[name] = found.get(name, 0) + number
    return found


def _fits(tickets: Iterable[Ticket], capacity: Room) -> bool:
    taken = total(each.holds for each in tickets)
    return all(each <= capacity.get(name, 0) + SLACK for name, each in taken.items())


def _fitting(unit: Room, tickets: Iterable[Ticket], capacity: Room) -> int:
    """How many units are left, also by those who wait."""
    taken = total(each.holds for each in tickets)
    left = {name: capacity.get(name, 0) - taken.get(name, 0) + SLACK for name in unit}
    return int(min((left[name] // each for name, each in unit.items() if each), default=0))
