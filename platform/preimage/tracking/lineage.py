"""What a run used and made, by fingerprint: read from the products themselves, wherever they lie."""

from typing import Any

from preimage.models.classifier import read_classifier_card
from preimage.models.generator_folder import read_card
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.storage.folder import Folder


def fingerprints(run: RunFolder, outcome: Outcome) -> dict[str, str]:
    """The fingerprints of the dataset, the generator, the latent store and the classifier that a run used or
    made.

    Raises GeneratorError, ClassifierError, StorageError where one of them is damaged.
    """
    known = run.about()
    inputs: dict[str, str] = known.get("inputs", {})
    found: dict[str, str] = {}
    if store := _there("_manifest.json", outcome.store or inputs.get("store")):
        manifest = store.read_json("_manifest.json")
        found["store"] = manifest["fingerprint"]
        found |= {key: manifest["about"][key]["fingerprint"] for key in ("dataset", "generator")}
    if generator := _there("config.json", outcome.generator or inputs.get("generator")):
        found["generator"] = read_card(generator).fingerprint
    scored = [folder for key in sorted(inputs) if (folder := _generator(key, inputs[key]))]
    if scored:
        found["generators"] = ", ".join(read_card(folder).fingerprint for folder in scored)
    named = (address for key, address in inputs.items() if key.split(".")[-1] == "classifier")
    if classifier := _there("config.json", outcome.classifier or next(named, None)):
        found["classifier"] = read_classifier_card(classifier).fingerprint
    if dataset := prepared(known):
        found["dataset"] = dataset["fingerprint"]
    return found


def prepared(known: dict[str, Any]) -> dict[str, str] | None:
    """The dataset that run.json names, as {source, address, fingerprint}; None until it is prepared."""
    dataset = known.get("dataset")
    if not dataset:
        return None
    folder = Folder.at(dataset["address"])
    if not folder.exists("manifest.json"):
        return None
    return dataset | {"fingerprint": folder.read_json("manifest.json")["fingerprint"]}


def _generator(key: str, address: str) -> Folder | None:
    """One of several generators, by the key that a job names it with."""
    several = "." in key and {"generators", "generator"} & {key.split(".")[0], key.split(".")[-1]}
    return _there("config.json", address) if several else None


def _there(mark: str, address: str | None) -> Folder | None:
    """The folder, where it holds its mark and so is whole."""
    folder = Folder.at(address) if address else None
    return folder if folder and folder.exists(mark) else None
