"""The samples of a study's trials as Optuna's artifacts, which its dashboard shows beside the trials."""

import json
import re
from io import BytesIO
from typing import BinaryIO

from preimage.errors import StorageError
from preimage.storage.folder import Folder
from preimage.tuning.records import TrialRecord

_PICTURE = re.compile(r"(\w[\w.-]*)/(figures/samples\.png|samples/\d+\.png)", re.ASCII)
"""A run's name, and a picture in its folder."""
_PNG = b"\x89PNG\r\n\x1a\n"


def artifacts(record: TrialRecord) -> dict[str, str]:
    """A trial's system attributes that name its samples, as Optuna's `upload_artifact` writes them.

    An artifact's id says where it is below the runs, in hexadecimal digits: others are not allowed in it.
    """
    found = re.search(rf"/{_PICTURE.pattern}(\?|$)", record.samples or "", re.ASCII)
    if not found:
        return {}
    id_ = f"{found[1]}/{found[2]}".encode().hex()
    about = {"artifact_id": id_, "filename": "samples.png", "mimetype": "image/png", "encoding": None}
    return {f"artifacts:{id_}": json.dumps(about)}


class TrialPictures:
    """An artifact store for Optuna: the samples of runs on any filesystem, to be read and nothing else."""

    def __init__(self, runs: Folder) -> None:
        self.runs = runs

    def find(self, artifact_id: str) -> bytes | None:
        """A picture; None if the id is not that of samples in a run's folder, or it cannot be read."""
        try:
            found = _PICTURE.fullmatch(bytes.fromhex(artifact_id).decode())
            data = (self.runs / found[1]).find(found[2]) if found else None
        except (ValueError, StorageError):
            return None
        return data if data and data.startswith(_PNG) else None

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Raises ArtifactNotFound if there is none."""
        from optuna.artifacts.exceptions import ArtifactNotFound

        if data := self.find(artifact_id):
            return BytesIO(data)
        raise ArtifactNotFound(artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        raise PermissionError("the results are only read here")

    def remove(self, artifact_id: str) -> None:
        raise PermissionError("the results are only read here")
