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

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Raises ArtifactNotFound if that is no run's picture of samples."""
        from optuna.artifacts.exceptions import ArtifactNotFound

        try:
            found = _PICTURE.fullmatch(bytes.fromhex(artifact_id).decode())
            data = (self.runs / found[1]).find(found[2]) if found else None
        except (ValueError, StorageError) as error:
            raise ArtifactNotFound(f"{artifact_id}: {error}") from error
        if not data or not data.startswith(_PNG):
            raise ArtifactNotFound(artifact_id)
        return BytesIO(data)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        raise PermissionError("the results are only read here")

    def remove(self, artifact_id: str) -> None:
        raise PermissionError("the results are only read here")
