"""What runs leave, without what two undisturbed runs differ in either."""

import json
import re
from collections.abc import Mapping
from typing import Any


LEFT_OUT = re.compile(
    r"(^|/)\."  # temporary files that a killed process leaves, and locks
    r"|/progress\.json$"  # of the moment
    r"|/system/"  # measurements of the machine, in files that are named by the time
    r"|/optuna\.log$"  # made again from the records
    r"|/submissions/"  # each attempt has its own
)
MOMENTS = frozenset({"time_ms", "created", "seconds", "last_system", "time"})
"""Keys of JSON files that hold a time."""
RATES = frozenset({"images_per_second", "seconds_per_image"})
"""Metrics of the machine's speed."""
KEYS = frozenset({"key", "mlflow_run_id", "run_id", "submission", "parent"})
"""Keys that hold a random id: of the run, which is the tracker's id too, and of a submission."""
OF_A_RUN = re.compile(r"/tracking/([0-9a-f]{32})\.jsonl$")


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
        return without(json.loads(data))
    if path.endswith(".jsonl"):
        return _tracked(data)
    return data


def _tracked(data: bytes) -> list[str]:
    """What a tracker was told, and how the run ended at last. What it is told again changes nothing, so that
    the order says nothing either."""
    lines = [json.loads(line) for line in data.splitlines()]
    told = [each for each in lines if "end" not in each and not any("system/" in key for key in each)]
    ends = [each for each in lines if "end" in each][-1:]
    return sorted({json.dumps(without(each), sort_keys=True) for each in told}) + list(map(str, ends))


def without(value: Any) -> Any:
    """A JSON value without moments, rates and random ids."""
    if isinstance(value, list):
        return [without(each) for each in value]
    if not isinstance(value, dict):
        return value
    left_out = MOMENTS | RATES | KEYS
    return {key: without(each) for key, each in value.items() if key.split(".")[-1] not in left_out}
