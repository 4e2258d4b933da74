"""What state a run is in, as its folder tells."""

from collections.abc import Iterable
from typing import Any

from preimage.runs.run_folder import Outcome, RunFolder

Attempts = list[dict[str, Any]]


def state_of(
    run: RunFolder, job: str, outcome: Outcome | None, own: Attempts, parts: Iterable[Attempts] = ()
) -> tuple[str, str]:
    """The state, `finished`, `running`, `interrupted` or `failed`, and why it is not finished, if known.

    own: the run's attempts. parts: those of its steps and trials that have no outcome. Raises StorageError.
    """
    may_go_on = job == "study"  # with more trials, or other metrics in its report
    if outcome and not may_go_on:
        return "finished", ""
    if run.folder.holder() is not None:
        return "running", ""
    if outcome:
        return "finished", ""
    errors = [error for each in (own, *parts) if (error := error_of(each))]
    return ("failed", errors[-1]) if errors else ("interrupted", _last(own).get("error", ""))


def error_of(attempts: Attempts) -> str:
    """Why the last attempt failed; empty if it did not."""
    last = _last(attempts)
    return last.get("error") or "failed" if last.get("ended") == "failed" else ""


def _last(attempts: Attempts) -> dict[str, Any]:
    return attempts[-1] if attempts else {}
