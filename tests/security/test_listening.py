"""What listens when Ray is started here: this machine's own address alone."""

import os

import psutil
import pytest

from preimage.errors import PreimageError

pytestmark = pytest.mark.ray


def test_ray_started_here_listens_on_this_machine_alone(ray):
    import ray as library

    def addresses() -> set[str]:  # travels to a worker
        """Where this process and those that it started listen."""
        found: set[str] = set()
        for process in [me := psutil.Process(), *me.children(recursive=True)]:
            try:
                found |= {
                    each.laddr.ip for each in process.net_connections("inet") if each.status == "LISTEN"
                }
            except psutil.NoSuchProcess:
                continue
        return found

    @library.remote
    def where() -> tuple[int, set[str]]:
        return os.getpid(), addresses()

    (pid, theirs), mine = library.get(where.remote()), addresses()
    assert pid != os.getpid()
    assert mine
    assert theirs
    assert {address.removeprefix("::ffff:") for address in mine | theirs} == {"127.0.0.1"}


def test_a_cluster_that_a_file_in_tmp_names_is_not_joined(monkeypatch):
    """Ray would take the word of a file that any user of the machine may have written."""
    import ray as library

    from preimage.cluster.connect import connect

    library.shutdown()
    asked: list[str] = []

    def init(address: str, **_: object) -> None:
        asked.append(address)
        raise ConnectionError("not in this test")

    monkeypatch.setattr(library, "init", init)
    for address in ("", "10.0.0.1:6379"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(PreimageError, match=address or "Ray on this machine"):
            connect()
    assert asked == ["local", "10.0.0.1:6379"]
