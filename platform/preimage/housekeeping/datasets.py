"""Which prepared datasets are used, and by whom."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from preimage.data.config import DataConfig
from preimage.data.sources.open import is_gone
from preimage.errors import PreimageError
from preimage.housekeeping.found import Found
from preimage.housekeeping.needs import Needs, spec_of
from preimage.runs.products import PRODUCTS
from preimage.storage.folder import Folder
from preimage.storage.formats import DATASET

MANIFEST = DATASET.file
ALIAS = "same_as.json"
IMPORTS = tuple(each.imports for each in PRODUCTS.values() if each.imports)
"""Where imports leave their products under a root."""
_ELSEWHERE = {"path", "on_error"}
"""Keys of a config that do not decide what is prepared."""


@dataclass(frozen=True)
class Prepared:
    """A prepared dataset."""

    folder: Folder
    fingerprint: str
    config: Mapping[str, Any]


def all_prepared(root: Folder) -> list[Prepared]:
    """The finished datasets under a root. One that is damaged is left to who prepares it again."""
    found = []
    for each in (root / "datasets").entries():
        folder = root / "datasets" / each.name
        try:
            manifest = None if each.is_file else folder.find_json(MANIFEST)
            if manifest:
                found.append(Prepared(folder, str(manifest["fingerprint"]), dict(manifest["config"])))
        except (PreimageError, LookupError, TypeError, ValueError):
            continue
    return found


def why_kept(dataset: Prepared, needs: Needs) -> str:
    """Why a dataset cannot go; empty if it can."""
    for each in needs.found.values():
        if uses(each, dataset):
            return f"the run {each.name} uses it"
    for each in needs.pending:
        if _names_images(spec_of(each.folder), dataset.config):
            return f"the submission {each.id} uses it"
    for folder in _imports(needs.root):
        if _mentions(folder, dataset):
            return f"{folder.name} was made from it"
    try:
        if is_gone(DataConfig.model_validate(dataset.config)):
            return f"{dataset.config.get('path')} is gone, so that it could not be prepared again"
    except (ValidationError, PreimageError) as error:
        return f"its config cannot be read ({str(error).splitlines()[0]})"
    return ""


def uses(each: Found, dataset: Prepared) -> bool:
    """Whether a run uses a dataset: by its address; else, where it recorded no addresses, by its spec."""
    about, name = each.about, dataset.folder.name
    own = [(about.get("dataset") or {}).get("address", ""), *about.get("images", {}).values()]
    if any(name in re.split(r"[/?]", address) for address in own):
        return True
    if "images" in about or each.is_removing:
        return False
    spec = each.run.folder.find("spec.yaml") or b""
    if str(dataset.config.get("source", "")).encode() not in spec:
        return False
    return _names_images(spec_of(each.run.folder), dataset.config)


def aliases(root: Folder, name: str) -> list[Folder]:
    """The folders that only say that some files hold what a dataset was made from."""
    found = []
    for each in (root / "datasets").entries():
        folder = root / "datasets" / each.name
        data = None if each.is_file else folder.find(ALIAS)
        if data and f'"{name}"'.encode() in data and folder.files() == [ALIAS]:
            found.append(folder)
    return found


def _names_images(value: Any, config: Mapping[str, Any]) -> bool:
    return any(
        all(each.get(key, wanted) == wanted for key, wanted in config.items() if key not in _ELSEWHERE)
        for each in _images_in(value)
    )


def _images_in(value: Any) -> Iterator[dict[str, Any]]:
    """The configs of images in a spec."""
    if isinstance(value, dict):
        if "source" in value:
            yield value
        for part in value.values():
            yield from _images_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _images_in(part)


def _imports(root: Folder) -> Iterator[Folder]:
    for place in IMPORTS:
        for each in (root / place).entries():
            if not each.is_file:
                yield root / place / each.name


def _mentions(folder: Folder, dataset: Prepared) -> bool:
    for name in ("config.json", "_plan.json", "_manifest.json"):
        text = folder.find(name) or b""
        if dataset.fingerprint.encode() in text or dataset.folder.name.encode() in text:
            return True
    return False
