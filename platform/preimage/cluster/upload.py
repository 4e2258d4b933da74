"""What a submission uploads: this package as it is on this machine, the plugins that the spec uses and the
user's named code, zipped the way Ray does it."""

import io
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from ray._private.runtime_env.packaging import create_package

from preimage.errors import PreimageError
from preimage.named_code import look_here
from preimage.storage.folder import digest

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).parents[1]
EXCLUDED = ["__pycache__"]
MIB = 2**20
NO_GITIGNORE = "RAY_RUNTIME_ENV_IGNORE_GITIGNORE"
"""Ray's variable: 1 also uploads files that a .gitignore names."""


@dataclass(frozen=True)
class Upload:
    """The files with their sizes in bytes, and the archive that holds them."""

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


def collect(packages: Sequence[Path] = (PACKAGE,)) -> Upload:
    """What Ray would upload of some packages. Raises PreimageError if an ignore file would drop source."""
    kept, files = io.BytesIO(), {}
    with ZipFile(kept, "w", ZIP_DEFLATED) as whole:
        for package in packages:
            for name, data in _files_of(package).items():
                whole.writestr(ZipInfo(name), data)  # without times: equal files give equal archives
                files[name] = len(data)
    return Upload(files, kept.getvalue())


def packages_of(code: Sequence[str]) -> list[Path]:
    """The packages that hold named modules. Raises PreimageError if one is not here."""
    look_here()
    found = []
    for name in dict.fromkeys(each.partition(".")[0] for each in code):
        spec = find_spec(name) if name else None
        if spec and spec.submodule_search_locations:
            found.append(Path(spec.submodule_search_locations[0]))
        elif spec and str(spec.origin).endswith(".py"):
            found.append(_as_package(name, Path(str(spec.origin))))
        else:
            raise PreimageError(f"there is no module {name!r} to submit: put its folder on PYTHONPATH")
    return found


def plugin_packages(distributions: Iterable[str]) -> list[Path]:
    """The packages of installed plugins, and for each plugin a folder by which Python finds its entry points
    on the cluster. What they depend on is not among them. Raises PreimageError if a package is not here."""
    found = []
    for each in map(distribution, distributions):
        modules = {entry.module.partition(".")[0] for entry in each.entry_points}
        listed = (each.read_text("top_level.txt") or "").split()
        found += [*packages_of(sorted({*modules, *listed})), _metadata(each)]
    return found


def needs_of(name: str) -> list[str]:
    """What an installed plugin depends on besides Preimage, as it says."""
    needs = [each for each in distribution(name).requires or [] if "extra ==" not in each]
    return [each for each in needs if re.split(r"[^\w.-]", each)[0].lower() != "preimage"]


def _metadata(plugin: Distribution) -> Path:
    """A distribution's metadata alone: an editable one's is not beside its package."""
    place = f"{plugin.name.replace('-', '_')}-{plugin.version}.dist-info"
    folder = Path(tempfile.mkdtemp(prefix="preimage-")) / place
    folder.mkdir()
    about = plugin.read_text("METADATA") or plugin.read_text("PKG-INFO")  # as an .egg-info calls it
    (folder / "METADATA").write_text(about or "")
    (folder / "entry_points.txt").write_text(plugin.read_text("entry_points.txt") or "")
    return folder


def _as_package(name: str, module: Path) -> Path:
    """A single module as a package of that name, for Ray's jobs take folders alone. It stays in the temporary
    folder: the command that is printed names it."""
    package = Path(tempfile.mkdtemp(prefix="preimage-")) / name
    package.mkdir()
    shutil.copyfile(module, package / "__init__.py")
    return package


def _files_of(package: Path) -> dict[str, bytes]:
    """The files of a package that Ray uploads, by their path in its archive."""
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
            files = {each.filename: found.read(each) for each in found.infolist() if not each.is_dir()}
    _require_whole(package, set(files))
    return files


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
