"""How fast a training loop is, and what is due by the clock."""

import time


class Clock:
    """Images per second since this loop started, and when to write progress and a checkpoint next."""

    def __init__(self, seen: int = 0, every: float = 1.0) -> None:
        self.seen, self.every = seen, every
        self.start = self.shown = self.saved = time.monotonic()
        self.last = (seen, self.start)

    def due(self) -> bool:
        now = time.monotonic()
        if now - self.shown < self.every:
            return False
        self.shown = now
        return True

    def note_saved(self) -> None:
        """A checkpoint is saved."""
        self.saved = time.monotonic()

    def since_saved(self) -> float:
        """Seconds since the last checkpoint, or since this loop started."""
        return time.monotonic() - self.saved

    def rate(self, seen: int) -> float:
        """Images per second since this loop started."""
        return (seen - self.seen) / max(time.monotonic() - self.start, 1e-9)

    def lap(self, seen: int) -> float:
        """Images per second since the last lap."""
        before, self.last = self.last, (seen, time.monotonic())
        return (seen - before[0]) / max(self.last[1] - before[1], 1e-9)
