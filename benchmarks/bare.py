"""A process beside Ray's that does the bare work, never imports Ray, and says how long it took."""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

from preimage.work.reproducible import prepare_process

Work = Callable[[int], object]


@contextmanager
def bare_process(make: Callable[[], Work], threads: int = 1) -> Iterator[str]:
    """A process at an address for `Bare`; `make` makes there what is done with each number it is sent."""
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "bare")
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_serve, args=(address, make, threads), daemon=True)
        process.start()
        try:
            while not Path(address).exists():
                if not process.is_alive():
                    raise RuntimeError("the process of the bare loop died")
                time.sleep(0.01)
            yield address
        finally:
            process.terminate()
            process.join()


class Bare:
    """Asks the process; connects when it is first asked, so that it can be sent to a Ray worker."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: Connection | None = None

    def __call__(self, number: int) -> float:
        """Seconds that the work took."""
        self._connection = self._connection or Client(self._address)
        self._connection.send(number)
        return self._connection.recv()


def _serve(address: str, make: Callable[[], Work], threads: int) -> None:
    prepare_process(threads)
    work = make()
    with Listener(address) as listener, listener.accept() as connection:
        while True:
            try:
                number = connection.recv()
            except EOFError:
                return
            begin = time.perf_counter()
            work(number)
            connection.send(time.perf_counter() - begin)
