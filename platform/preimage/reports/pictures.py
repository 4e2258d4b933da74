"""A run's pictures, embedded in its page as far as they fit."""

import struct
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from preimage.figures.png_texts import HEIGHT, texts
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder

MOST = 12 * 2**20
"""Bytes of all pictures that a page embeds; as text they take a third more."""
STRIP = 6
"""Most grids of samples from along a training run."""
FIRST = ("gallery", "samples", "reconstructions")
"""The figures that come first."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A picture, with its own size in pixels; of its rows, those above the footer are shown."""

    title: str
    place: str
    """Its path from the run's folder."""
    address: str
    width: int = 0
    height: int = 0
    rows: int = 0
    png: bytes | None = None
    """None if it is left out."""
    why: str = ""
    """Why it is left out."""

    @property
    def source(self) -> str:
        """A data URI."""
        return f"data:image/png;base64,{b64encode(self.png or b'').decode()}"


def figures_of(run: RunFolder, place: str = "") -> list[Picture]:
    """A run's figures, the telling ones first. place: of its folder from that of the page."""
    names = [name for name in run.figures.files() if name.endswith(".png")]
    names.sort(key=lambda name: (name.removesuffix(".png") not in FIRST, name))
    return _read(run.figures, names, f"{place}figures/", [_title(name) for name in names])


def samples_of(run: RunFolder, place: str = "") -> list[Picture]:
    """Grids of samples from along a training run, evenly chosen; none of a run with only one."""
    names = [name for name in run.samples.files() if name.removesuffix(".png").isdecimal()]
    if len(names) < 2:
        return []
    most = min(STRIP, len(names))
    chosen = [names[number * (len(names) - 1) // (most - 1)] for number in range(most)]
    titles = [f"{int(name.removesuffix('.png')):,} images seen" for name in chosen]
    return _read(run.samples, chosen, f"{place}samples/", titles)


def fitted(groups: Iterable[Sequence[Picture]], most: int = MOST) -> list[list[Picture]]:
    """The same pictures without those that are too many; of each group the first ones stay."""
    left, made = most, []
    for group in groups:
        kept: list[Picture] = []
        for each in group:
            if each.png is not None and len(each.png) > left:
                each = replace(each, png=None, why="left out: the pictures before it fill the page")
            left -= len(each.png or b"")
            kept.append(each)
        made.append(kept)
    return made


def _read(folder: Folder, names: Sequence[str], place: str, titles: Sequence[str]) -> list[Picture]:
    found = zip(names, titles, folder.read_all(names), strict=True)
    return [_picture(folder, name, f"{place}{name}", title, data) for name, title, data in found]


def _picture(folder: Folder, name: str, place: str, title: str, data: bytes | Exception) -> Picture:
    address = (folder / name).uri
    if isinstance(data, Exception):
        return Picture(title, place, address, why=str(data))
    size = size_of(data)
    if size is None:
        return Picture(title, place, address, why="left out: it is not a PNG")
    rows = texts(data).get(HEIGHT, "")
    shown = int(rows) if rows.isdecimal() and 0 < int(rows) <= size[1] else size[1]
    return Picture(title, place, address, *size, shown, data)


def size_of(png: bytes) -> tuple[int, int] | None:
    """The width and height of a PNG in pixels; None if it is none."""
    if not png.startswith(SIGNATURE) or png[12:16] != b"IHDR" or len(png) < 24:
        return None
    width, height = struct.unpack(">II", png[16:24])
    return (width, height) if width and height else None


def _title(name: str) -> str:
    return name.removesuffix(".png").replace("_", " ").replace("-", " ")
