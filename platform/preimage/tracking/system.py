"""System metrics that the nodes of a run left in its folder."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ConfigDict

from preimage.config import Config
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.storage.validated_json import read_or_none
from preimage.work.system_watch import file_name, node_of

_FILE = re.compile(r"\d{15}(\.[\w.-]+)?\.json", re.ASCII)


class _Sample(Config):
    model_config = ConfigDict(strict=True)

    time_ms: int
    metrics: dict[str, float]


def samples(run: RunFolder, after: Mapping[str, int]) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The time of a run's first sample, and each node's samples after a time, as {time_ms, metrics}.

    Nodes go by their names, which their metrics bear as in MLflow's own monitor: system/NODE/...; the only
    node of a run is "". Files that are not JSON are skipped. Raises StorageError for one of another version.
    """
    names = [name for name in run.system.names() if _FILE.fullmatch(name)]
    files: dict[str, list[str]] = {}
    for name in names:
        files.setdefault(node_of(name), []).append(name)
    rows = {node: list(_rows(run.system, node, files[node], after.get(node, 0))) for node in files}
    return (int(names[0][:15]) if names else 0), {node: found for node, found in rows.items() if found}


def _rows(folder: Folder, node: str, names: list[str], after: int) -> Iterator[dict[str, Any]]:
    first = bisect_right(names, file_name(after, node)) - 1  # the file that holds this time
    for name in names[max(first, 0) :]:
        for row in read_or_none(folder, name, list[_Sample]) or []:
            if row["time_ms"] > after:
                yield row | {"metrics": {_named(key, node): value for key, value in row["metrics"].items()}}


def _named(metric: str, node: str) -> str:
    return metric.replace("system/", f"system/{node}/", 1) if node else metric
