"""What a run was made with, used and made: read from the products themselves, wherever they are."""

from collections.abc import Mapping
from typing import Any

from preimage.cluster.submissions import Submission
from preimage.latents.store import Store
from preimage.runs.products import PRODUCTS, Card, Product
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder
from preimage.tracking.datasets import prepared

FILE = "provenance.json"
MADE_WITH = ("fingerprint", "key", "created", "git_commit", "versions", "plugins", "inputs", "dataset")


def provenance(
    run: RunFolder, known: Mapping[str, Any], outcome: Outcome | None, submission: Submission | None
) -> dict[str, Any]:
    """Versions, digests and addresses, which would be cut as tags.

    Raises GeneratorError, StoreError, ClassifierError, PriorError if a product of a finished run is damaged.
    """
    found: dict[str, Any] = {"run": run.name, "folder": run.folder.uri}
    found |= {key: known[key] for key in MADE_WITH if known.get(key)}
    if submission:
        found["submission"] = {
            "id": submission.id,
            "folder": submission.folder.uri,
            "code_sha256": submission.record["upload"]["sha256"],
        }
    if outcome:
        found |= {"products": outcome.products, "fingerprints": fingerprints(run, outcome)}
    return found


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
        found["dataset"] = dataset["manifest"]["fingerprint"]
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
