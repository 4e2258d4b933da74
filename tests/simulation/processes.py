"""Several simulated processes that share a bucket. A seed decides at every request who goes on, who sleeps
for how long, and who dies."""

import heapq
import random
import threading
from collections.abc import Callable
from typing import Any

from simulation.objects import AnswerLost, Request, SimulatedObjects


class Killed(BaseException):
    """The end of a simulated process."""


class Processes:
    """Run with `start` and `run`. One thread goes on at a time, so that a seed is one history."""

    def __init__(self, seed: int, dies: float = 0.0, sleeps: float = 0.0, loses: float = 0.0) -> None:
        """How likely a request ends its process, puts it to sleep for up to 200 seconds before or after, or
        gets no answer, so that the client sends it again."""
        self.random, self.dies, self.sleeps, self.loses = random.Random(seed), dies, sleeps, loses
        self.now, self.content = 0.0, {}
        self.history: list[str] = []
        self._waiting: list[tuple[float, float, int, _Thread]] = []
        self._count = 0
        self._back = threading.Semaphore(0)

    def start(self, name: str, main: Callable[["Process"], None]) -> "Process":
        process = Process(self, name)
        process.spawn(lambda: main(process))
        return process

    def run(self) -> None:
        """Until all have ended. Raises what any of them raised."""
        errors = []
        while self._waiting:
            when, _, _, thread = heapq.heappop(self._waiting)
            self.now = max(self.now, when)
            if thread.process.awake > self.now and thread.process.alive:
                self.wait(thread, thread.process.awake)
                continue
            thread.go.release()
            self._back.acquire()
            if thread.error:
                errors.append(thread.error)
        if errors:
            raise errors[0]

    def wait(self, thread: "_Thread", until: float) -> None:
        """Among those of the same time, the seed decides."""
        self._count += 1
        heapq.heappush(self._waiting, (until, self.random.random(), self._count, thread))

    def give_back(self) -> None:
        self._back.release()


class Process:
    """One process: it dies as a whole, and sleeps as a whole. It is also its own clock."""

    def __init__(self, processes: Processes, name: str) -> None:
        self.processes, self.name = processes, name
        self.alive, self.awake, self.mortal = True, 0.0, True
        self.objects = SimulatedObjects(self._asked, processes.content, lambda: processes.now)

    def spawn(self, main: Callable[[], None]) -> None:
        thread = _Thread(self, main)
        self.processes.wait(thread, self.processes.now)
        thread.start()

    def monotonic(self) -> float:
        return self.processes.now

    def sleep(self, seconds: float) -> None:
        _current().pause(seconds)

    def every(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        ended: list[bool] = []

        def repeat() -> None:
            while True:
                self.sleep(seconds)
                if ended:
                    return
                call()

        self.spawn(repeat)
        return lambda: ended.append(True)

    def die(self) -> None:
        """At the current request."""
        self.alive = False
        raise Killed(self.name)

    def say(self, what: str) -> None:
        self.processes.history.append(f"{self.processes.now:8.2f} {self.name} {what}")

    def _asked(self, request: Request) -> None:
        processes, draw = self.processes, self.processes.random.random
        self.say(f"{request.moment} {request.method} {request.key}")
        if self.mortal and draw() < processes.dies:
            self.say("dies")
            self.die()
        if draw() < processes.sleeps:
            self.awake = processes.now + draw() * 200
            self.say(f"sleeps until {self.awake:.1f}")
        if request.moment == "before" or self.awake > processes.now:
            _current().pause(draw() * 0.1)
        if request.moment == "after" and request.mutates and draw() < processes.loses:
            self.say("gets no answer")
            raise AnswerLost


class _Thread(threading.Thread):
    def __init__(self, process: Process, main: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.process, self.main = process, main
        self.go = threading.Semaphore(0)
        self.error: Any = None

    def run(self) -> None:
        try:
            self._await()
            self.main()
        except Killed:
            pass
        except BaseException as error:
            self.error = error
        self.process.processes.give_back()

    def pause(self, seconds: float) -> None:
        """Let others go on."""
        processes = self.process.processes
        processes.wait(self, processes.now + seconds)
        processes.give_back()
        self._await()

    def _await(self) -> None:
        self.go.acquire()
        if not self.process.alive:
            raise Killed


def _current() -> _Thread:
    thread = threading.current_thread()
    assert isinstance(thread, _Thread)
    return thread
