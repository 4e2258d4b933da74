"""Claims on a real S3 server, by real processes."""

import json
import os
import pickle
import time
from collections import Counter

import pytest
from pyarrow import fs

import budget
from claim_racers import CONTEXT, RACERS, ended, hold, race, servers
from preimage.errors import ClaimLost
from preimage.storage import leases
from preimage.storage.claim_record import NAME, State
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder
from preimage.storage.host_info import is_gone, process
from preimage.storage.other import OtherStorage


def _check(s3: Folder, count: int) -> Counter[str]:
    races = race(s3, count)
    for number, seen in enumerate(races):
        zombie, written = seen[0] if number % 2 else "none", (s3 / f"{number}").read("outcome.json")
        winners = [index for index, each in enumerate(seen) if each.startswith("won")]
        assert len(winners) == 1, f"race {number}: {seen}"
        assert seen.count("lost") == RACERS - 1 - number % 2
        if zombie == "committed":
            assert (seen[winners[0]], written) == ("won after the zombie", b"zombie")
        elif written != b"zombie":  # begun by the zombie, and finished by the one that took over
            assert (seen[winners[0]], written) == ("won", str(winners[0]).encode())
    return Counter(seen[0] for seen in races[1::2])


def test_one_of_eight_processes_wins_and_a_zombie_commits_before_it_or_never(s3: Folder) -> None:
    _check(s3, 8)


@pytest.mark.faults
def test_a_thousand_races(s3: Folder) -> None:
    """With the whole budget; otherwise a fifth of them."""
    began, count = time.monotonic(), 1000 if budget.WHOLE else 200
    zombies = _check(s3, count)
    print(f"{count} races of 8 processes: {time.monotonic() - began:.0f} s, zombies {dict(zombies)}")
    assert set(zombies) == {"committed", "refused"}, "both happened"


def test_a_holder_that_is_killed_on_this_machine_is_followed_at_once(s3: Folder, caplog) -> None:
    holds = CONTEXT.Event()
    holder = CONTEXT.Process(target=hold, args=(servers(), (s3 / "run").uri, holds), daemon=True)
    holder.start()
    assert holds.wait(30)
    attempt = (s3 / "run").claim(process())
    found = attempt()
    assert isinstance(found, dict)
    assert found["pid"] == holder.pid
    holder.kill()
    holder.join()
    found = attempt()
    assert not isinstance(found, dict)
    assert f"run: taken over from process {holder.pid} on " in caplog.text
    assert "which has ended" in caplog.text
    found.release()


def test_a_holder_elsewhere_is_followed_when_its_lease_ends(s3: Folder, monkeypatch, caplog) -> None:
    monkeypatch.setattr(leases, "LEASE", 0.4)
    who = process() | {"host": "elsewhere", "boot": "another", "since": "noon"}
    (s3 / "run").write(NAME, State("its token", who).text())
    began = time.monotonic()
    with claimed(s3 / "run") as (folder, _):
        assert 0.4 <= time.monotonic() - began < 5
        folder.commit("outcome.json", b"1")
    assert "which gave no sign of life for" in caplog.text
    assert (
        f"run is being made by process {os.getpid()} on elsewhere, since noon; waiting for it" in caplog.text
    )


def test_who_waits_stops_when_it_loses_a_claim_around(s3: Folder) -> None:
    """A pipeline that slept, and waits for the step that its successor makes."""
    thief = State("its token", process() | {"boot": "another"})
    with claimed(s3 / "pipeline") as (_, claim), claimed(s3 / "step"):
        (s3 / "pipeline").write(NAME, thief.text())
        claim._renew()
        waiting = claimed(s3 / "step", claim.check)
        with pytest.raises(ClaimLost, match="taken over"):
            waiting.__enter__()
    assert State.of((s3 / "pipeline").read(NAME)) == thief


def test_a_claim_names_no_secret_and_lies_beside_the_files(s3: Folder) -> None:
    """And the folder commits where it is sent to."""
    with claimed(s3 / "run") as (folder, _):
        pickle.loads(pickle.dumps(folder)).commit("outcome.json", b"1")
        assert folder.names() == ["outcome.json"]
        text = json.loads(folder.read(NAME))
    assert set(text) == {"token", "who", "beat"}
    assert set(text["who"]) == {"host", "pid", "since", "boot", "pids", "started"}


def test_a_whole_bucket_is_claimed(s3: Folder) -> None:
    with claimed(s3) as (folder, _):
        (folder / "run").commit("outcome.json", b"1")
    assert [each.key for each in s3.storage.objects.listed("", recursive=True)[0]] == [
        NAME,
        "run/outcome.json",
    ]


def test_storage_without_claims_says_so(tmp_path, caplog) -> None:
    """As hdfs:// is opened, but with the files here."""
    folder = Folder(OtherStorage(fs.LocalFileSystem(), "hdfs://namenode"), f"{tmp_path}/run")
    with claimed(folder) as (held, claim):
        claim.check()
        held.commit("outcome.json", b"1")
    said = "this storage has neither locks nor conditional writes; run only one process there at a time"
    assert f"hdfs://namenode{tmp_path}/run: {said}" in caplog.text
    assert folder.read("outcome.json") == b"1"


def test_who_is_gone() -> None:
    gone = ended()
    assert is_gone(gone)
    assert not is_gone(process())
    assert is_gone(process() | {"started": "1"}), "another process has its number now"
    for unsure in ({"boot": "other"}, {"pids": "other"}, {"pid": "1"}, {"pid": 0}, {"started": ""}):
        assert not is_gone(gone | unsure)
    assert not is_gone({})


def test_processes_that_are_hidden_are_not_gone(monkeypatch) -> None:
    """As other users' are where /proc is mounted with hidepid."""
    gone, alive = ended(), process()
    monkeypatch.setattr("preimage.storage.host_info._state", lambda pid: ("", ""))
    assert is_gone(gone)
    assert not is_gone(alive)
    monkeypatch.setattr("os.kill", lambda pid, number: _deny())
    assert not is_gone(alive)


def _deny() -> None:
    raise PermissionError
