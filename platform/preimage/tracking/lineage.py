"""What a run used and made, by fingerprint: read from the products themselves, wherever they are."""

from typing import Any

from preimage.latents.store import Store
from preimage.runs.products import PRODUCTS, Card, Product
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder


def fingerprints(run: RunFolder, outcome: Outcome) -> dict[str, str]:
    """The fingerprints of the dataset and of the products that a run made, or else used. Several of a kind
    are joined under a plural name, such as `generators`.

    Raises GeneratorError, StoreError, ClassifierError, PriorError if one of them is damaged.
    """
    known = run.about()
    found: dict[str, str] = {}
    for product in PRODUCTS.values():
        cards = _cards(product, known, outcome)
        for card in cards[:1]:
            if isinstance(card, Store):
                about = card.about
                origin = {"dataset": about.dataset_fingerprint, "generator": about.generator_fingerprint}
                found |= {kind: each for kind, each in origin.items() if each}
        if cards:
            name = product.name if len(cards) == 1 else f"{product.name}s"
            found[name] = ", ".join(card.fingerprint for card in cards)
    if dataset := prepared(known):
        found["dataset"] = dataset["fingerprint"]
    return found


def _cards(product: Product, known: dict[str, Any], outcome: Outcome) -> list[Card]:
    """The cards of this kind of product: the one that the run made, or else those it used, if they exist."""
    if not product.is_result:
        return []
    made = outcome.products.get(product.name)
    used = [
        each["address"]
        for _, each in sorted(known.get("inputs", {}).items())
        if each["product"] == product.name
    ]
    folders = [Folder.at(address) for address in ([made] if made else used)]
    return [product.card(folder) for folder in folders if product.is_whole(folder)]


def prepared(known: dict[str, Any]) -> dict[str, str] | None:
    """The dataset that run.json names, as {source, address, fingerprint}; None until it is prepared."""
    dataset = known.get("dataset")
    if not dataset:
        return None
    folder = Folder.at(dataset["address"])
    manifest = folder.find_json("manifest.json")
    return dataset | {"fingerprint": manifest["fingerprint"]} if manifest else None
