"""The images and latent stores that a run takes, as datasets of its run in the tracker."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from preimage.data.image_shape import sides
from preimage.latents.store import Store
from preimage.runs.products import PRODUCTS
from preimage.storage.address import name_of
from preimage.storage.folder import Folder
from preimage.storage.formats import DATASET
from preimage.tracking.tracker import DatasetUsed

_TYPES = {
    "image_id": "long",
    "label": "integer",
    "z": "array",
    "loss": "float",
    "steps": "integer",
    "restart": "integer",
    "converged": "boolean",
}
"""Of a store's columns."""


def images_used(known: Mapping[str, Any]) -> DatasetUsed | None:
    """The images that run.json names; None until they are prepared."""
    if not (found := prepared(known)):
        return None
    manifest = found["manifest"]
    config = manifest.get("config", {})
    words = (config.get(key) for key in ("category", "split"))
    profile: dict[str, Any] = {}
    if "count" in manifest:
        shape = (manifest["channels"], *sides(manifest["size"]))
        profile = {"num_rows": manifest["count"], "num_elements": manifest["count"] * prod(shape)}
        profile |= {"image_shape": list(shape), "classes": len(manifest["classes"])}
    return DatasetUsed(
        name=" ".join([found["source"], *filter(None, words)]),
        fingerprint=manifest["fingerprint"],
        address=found["address"],
        context=found.get("context", ""),
        profile=profile | ({"split": config["split"]} if config.get("split") else {}),
        columns={"image_id": "long", "pixels": "binary", "label": "integer"},
    )


def stores_used(known: Mapping[str, Any]) -> Iterator[DatasetUsed]:
    """The latent stores that a run took from earlier runs. Raises StoreError for a damaged one."""
    row = PRODUCTS["store"]
    for each in known.get("inputs", {}).values():
        folder = Folder.at(each["address"])
        if each["product"] != "store" or not row.is_whole(folder):
            continue
        store = row.card(folder)
        assert isinstance(store, Store)
        count, dim = store.manifest.count, store.about.latent_dim
        maker = name_of(folder.parent.uri) if folder.name == "store" else folder.name
        yield DatasetUsed(
            name=f"codes of {maker}",
            fingerprint=store.fingerprint,
            address=folder.uri,
            context="evaluation",
            profile={"num_rows": count, "num_elements": count * dim, "latent_dim": dim},
            columns={name: _TYPES[name] for name in store.about.columns},
        )


def prepared(known: Mapping[str, Any]) -> dict[str, Any] | None:
    """The dataset that run.json names, as {source, address, manifest}; None until it is prepared."""
    dataset = known.get("dataset")
    if not dataset:
        return None
    manifest = Folder.at(dataset["address"]).find_json(DATASET.file)
    return {**dataset, "manifest": manifest} if manifest else None
