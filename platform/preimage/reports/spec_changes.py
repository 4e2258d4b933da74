"""How a run's spec differs from the shipped one that it was made from."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from preimage.errors import PreimageError
from preimage.reports.content import Difference, SpecText
from preimage.runs.metrics import flatten
from preimage.runs.run_folder import RunFolder
from preimage.runs.spec_params import override_text
from preimage.specs.header import header_of
from preimage.specs.load import loads, variant
from preimage.specs.pipeline import titled
from preimage.specs.profiles import profiles_in
from preimage.specs.shipped import shipped_spec
from preimage.specs.study import is_study, loads_study
from preimage.specs.yaml_lines import parse

ELSEWHERE = ("results", "tracking", "code")
"""Keys that only say where a run is."""
ABSENT = "not set"
LONGEST = 200
"""Characters of a value."""


def spec_of(run: RunFolder, known: Mapping[str, Any]) -> tuple[SpecText, str]:
    """The resolved spec, compared with the shipped one of its name, and what that is for.

    known: its run.json. Of a step nothing is compared, nor of a spec that no longer loads or has other jobs.
    """
    text = (run.folder.find("spec.yaml") or b"").decode(errors="replace")
    path = shipped_spec(known["name"])
    if not text or not path or not _says(known, titled(known["name"], "")):
        return SpecText(text), ""
    try:
        return _compared(text, path, known)
    except (PreimageError, OSError):  # what is shipped now is not what it was made from
        return SpecText(text), ""


def _compared(text: str, path: Path, known: Mapping[str, Any]) -> tuple[SpecText, str]:
    written, here = path.read_text(), parse(text, known["name"]).value
    profile = _profile(written, str(path), known)
    shipped = _resolved(written, path, profile)
    if not _alike(shipped, here):
        return SpecText(text), ""
    title = "/".join(path.parts[-2:]) + (f", profile {profile}" if profile else "")
    return SpecText(text, title, tuple(_differences(shipped, here))), header_of(written).sentence


def _profile(written: str, path: str, known: Mapping[str, Any]) -> str | None:
    """The profile that run.json names beside the spec's name."""
    names = sorted(profiles_in(parse(written, path), path), key=len, reverse=True)
    return next((each for each in names if _says(known, titled(known["name"], variant(each, [])))), None)


def _says(known: Mapping[str, Any], title: str) -> bool:
    """Whether run.json says that it was made from the spec of this title."""
    what = known.get("what", "")
    return f"({title})" in what or f"({title}, " in what


def _resolved(written: str, path: Path, profile: str | None) -> dict[str, Any]:
    document, origin = parse(written, str(path)).value, str(path)
    if is_study(written, origin):
        return loads_study(written, origin, path.stem, profile).resolved()
    return loads(written, origin, document.get("name", path.stem), profile).resolved()


def _alike(shipped: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Whether two specs are of the same jobs."""

    def jobs(spec: Mapping[str, Any]) -> Any:
        return {key: each for key, each in flatten(spec).items() if key.split(".")[-1] == "job"}

    return jobs(shipped) == jobs(here)


def _differences(shipped: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[Difference]:
    before, after = flatten(shipped), flatten(here)
    for key in [*after, *(key for key in before if key not in after)]:
        texts = [_text(each[key]) if key in each else ABSENT for each in (before, after)]
        if texts[0] != texts[1] and key.split(".")[0] not in ELSEWHERE:
            yield Difference(key, *texts)


def _text(value: Any) -> str:
    return override_text(value)[:LONGEST]
