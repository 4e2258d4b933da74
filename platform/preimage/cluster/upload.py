"""What a submission uploads: this package as it lies here, as Ray will zip it."""

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from ray._private.runtime_env.packaging import create_package

import preimage
from preimage.errors import PreimageError
from preimage.storage.folder import digest

log = logging.getLogger(__name__)

PACKAGE = Path(preimage.__file__).parent
EXCLUDED = ["__pycache__"]
MIB = 2**20
NO_GITIGNORE = "RAY_RUNTIME_ENV_IGNORE_GITIGNORE"
"""Ray's variable: 1 takes files also where a .gitignore names them."""


@dataclass(frozen=True)
class Upload:
    """Files of the package by their sizes in bytes, and the archive that holds them."""

    files: dict[str, int]
    archive: bytes

    @property
    def sha256(self) -> str:
        return digest(self.archive)

    @property
    def mebibytes(self) -> float:
        return sum(self.files.values()) / MIB

    def largest(self, count: int = 5) -> list[tuple[str, int]]:
        return sorted(self.files.items(), key=lambda each: -each[1])[:count]

    def plain(self) -> dict[str, object]:
        """What a submission's record holds."""
        return {
            "sha256": self.sha256,
            "files": len(self.files),
            "mebibytes": round(self.mebibytes, 2),
            "largest": self.largest(),
        }


def collect(package: Path = PACKAGE) -> Upload:
    """What Ray would upload of a package. Raises PreimageError where an ignore file would drop source."""
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place) / "code.zip"
        create_package(
            str(package),
            archive,
            include_gitignore=os.environ.get(NO_GITIGNORE) != "1",
            include_parent_dir=True,
            excludes=EXCLUDED,
            logger=log,
        )
        with ZipFile(archive) as found:
            files = {each.filename: each.file_size for each in found.infolist() if not each.is_dir()}
        data = archive.read_bytes()
    _require_whole(package, set(files))
    return Upload(files, data)


def _require_whole(package: Path, files: set[str]) -> None:
    source = {str(path.relative_to(package.parent)) for path in package.rglob("*.py")}
    missing = sorted(source - files)
    if missing:
        named = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        ignoring = [*package.rglob(".gitignore"), *package.rglob(".rayignore")]
        raise PreimageError(
            f"the upload would lack {named}: left out by {' or '.join(map(str, ignoring))}. Remove what "
            "names them there: the job could not be imported on the cluster"
        )
