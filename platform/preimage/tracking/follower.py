"""Send a run's records to the tracker while it works."""

import logging
import threading

from preimage.errors import StorageError, TrackingError
from preimage.tracking.mirror import Mirror

log = logging.getLogger(__name__)


class Follower:
    """Follows a run in the background. Warns once when the tracker goes away, and once when it is back."""

    def __init__(self, mirror: Mirror, every: float = 2.0) -> None:
        self.mirror, self.every, self.away = mirror, every, False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mirror", daemon=True)

    def __enter__(self) -> "Follower":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=60)

    def _follow(self) -> None:
        while not self._stop.wait(self.every):
            try:
                self.mirror.follow()
                if self.away:
                    log.warning("the tracker is back; what it missed has been sent")
                self.away = False
            except (TrackingError, StorageError) as error:
                if not self.away:
                    log.warning("%s The run continues; what is missing will be sent later.", error)
                self.away = True
