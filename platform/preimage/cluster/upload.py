"""What a submission uploads: this package as it is on this machine, zipped the way Ray does it."""

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from ray._private.runtime_env.packaging import create_package

from preimage.errors import PreimageError
from preimage.storage.folder import digest

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).parents[1]
EXCLUDED = ["__pycache__"]
MIB = 2**20
NO_GITIGNORE = "RAY_RUNTIME_ENV_IGNORE_GITIGNORE"
"""Ray's variable: 1 also uploads files that a .gitignore names."""


@dataclass(frozen=True)
class Upload:
    """The package's files with their sizes in bytes, and the archive that holds them."""

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
        """What a submission's record says of it."""
        return {
            "sha256": self.sha256,
            "files": len(self.files),
            "mebibytes": round(self.mebibytes, 2),
            "largest": self.largest(),
        }


def collect(package: Path = PACKAGE) -> Upload:
    """What Ray would upload of a package. Raises PreimageError if an ignore file would drop source."""
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
            f"the upload would lack {named}, excluded by {' or '.join(map(str, ignoring))}. Remove what "
            "excludes them: without them the cluster cannot import the package"
        )
