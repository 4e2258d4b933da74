"""Time that passes when somebody waits for it."""

from collections.abc import Callable


class SimulatedClock:
    """A clock of one process. What is to be called now and then is called while it sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self._repeated: list[_Repeated] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass at once, with all that is due meanwhile."""
        end = self.now + seconds
        while due := [each for each in self._repeated if each.next <= end]:
            first = min(due, key=lambda each: each.next)
            self.now = max(self.now, first.next)
            first.next += first.seconds
            first.call()
        self.now = max(self.now, end)

    def every(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        repeated = _Repeated(seconds, call, self.now + seconds)
        self._repeated.append(repeated)

        def stop() -> None:
            if repeated in self._repeated:
                self._repeated.remove(repeated)

        return stop

    def forget(self) -> None:
        """Stop all that repeats, as the end of a process does."""
        self._repeated.clear()


class _Repeated:
    def __init__(self, seconds: float, call: Callable[[], None], first: float) -> None:
        self.seconds, self.call, self.next = seconds, call, first
