"""What runs leave, without what two undisturbed runs differ in either."""

import json
import re
from collections.abc import Mapping
from typing import Any

LEFT_OUT = re.compile(
    r"(^|/)\."  # temporary files that a killed process leaves, and locks
    r"|/progress\.json$"  # of the moment
    r"|/(attempts|cost)\.json$"  # how often and how long it was worked on
    r"|/system/"  # measurements of the machine, in files that are named by the time
    r"|/optuna\.log$"  # made again from the records
    r"|/submissions/"  # each attempt has its own
    r"|/runs/invert-[^/]*/log/"  # what each part cost the attempt that made it
)
OF_THE_ATTEMPTS = re.compile(
    r"(^|[._])(time_ms|time|created|last_system)$"  # moments
    r"|^last_record$|^records$"  # how far the log of what parts cost was sent
    r"|seconds|per_second|^hardware$"  # speed
    r"|(^|\.)generator_evaluations$"  # what was spent, also on what is done again
    r"|(^|\.)(key|mlflow_run_id|run_id|parent|submission)$"  # random ids
)
"""Keys of JSON files."""
NOT_DURABLE = "/mirror.json"
"""What a later loss of power may take away: it is made anew."""
OF_A_RUN = re.compile(r"/tracking/([0-9a-f]{32})\.jsonl$")


OF_AN_ATTEMPT = {"system", "seconds_per_part", "preimage.submission", "mlflow.note.content"}
"""What marks a line of a tracker's file that tells of one attempt."""


def products(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Files by path: bytes, and values without moments, rates and random ids."""
    found = {path: data for path, data in files.items() if not LEFT_OUT.search(path)}
    names = {_key(data): path.split("/")[-2] for path, data in found.items() if path.endswith("/run.json")}
    return {_named(path, names): _plain(path, data) for path, data in found.items()}


def _key(about: bytes) -> str:
    return json.loads(about).get("key", "")


def _named(path: str, names: Mapping[str, str]) -> str:
    """A tracker's file by the name of its run."""
    return OF_A_RUN.sub(lambda match: f"/tracking/{names.get(match[1], match[1])}", path)


def _plain(path: str, data: bytes) -> Any:
    if path.endswith(".json"):
        try:
            return without(json.loads(data))
        except ValueError:  # torn
            return data
    if path.endswith(".jsonl"):
        return _tracked(data)
    if path.endswith("/report.html"):  # which says when, how long and how often
        return data.rstrip().endswith(b"</html>")
    return data


def _tracked(data: bytes) -> list[str]:
    """What a tracker was told, and how the run ended at last. What it is told again changes nothing, so that
    the order says nothing either."""
    lines = [json.loads(line) for line in data.splitlines()]
    told = [each for each in lines if "end" not in each and not OF_AN_ATTEMPT & _heads(each)]
    ends = [each for each in lines if "end" in each][-1:]
    for each in told:
        each.pop("diverged", None)  # a curve of what parts cost, or else a final metric
    left = [each for each in map(without, told) if each.keys() != {"step"}]  # nothing but speed
    return sorted({json.dumps(each, sort_keys=True) for each in left}) + list(map(str, ends))


def _heads(line: dict[str, Any]) -> set[str]:
    """The first words of a line's keys and of its tags'."""
    return {key.split("/")[0] for key in (*line, *line.get("tags", {}))}


def without(value: Any) -> Any:
    """A JSON value without moments, rates and random ids."""
    if isinstance(value, list):
        return [without(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: without(each) for key, each in value.items() if not OF_THE_ATTEMPTS.search(key)}
