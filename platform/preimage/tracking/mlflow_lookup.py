"""Find generators among MLflow's models, and download them.

A model may be anyone's. Of its folder only the files of a generator are read, by names of our own, and
checked like those of any generator; the module that it names to load it is compared as text, never imported.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

from preimage.errors import GeneratorError, PreimageError, SpecError
from preimage.models.cards import CONFIG, PRIOR, WEIGHTS, GeneratorCard, read_card
from preimage.models.generator_folder import load_generator, load_prior
from preimage.models.program import PROGRAM
from preimage.models.weights import read_tensors
from preimage.storage.folder import Folder, digest
from preimage.tracking.config import TrackingConfig
from preimage.tracking.mlflow_models import DATA, FINGERPRINT, LOADER, find_model
from preimage.tracking.mlflow_store import reaching, store_uri

UNKNOWN = (ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), ErrorCode.Name(INVALID_PARAMETER_VALUE))
"""How MLflow answers for a model, version, alias or run that it does not have."""


@dataclass(frozen=True)
class ModelFound:
    """A model in MLflow. No alias: a version stays what it is."""

    uri: str
    store: str
    """The MLflow store that has it."""
    location: str
    """Where its files are."""
    run_id: str | None
    """The MLflow run that made it."""
    fingerprint: str | None
    """The generator's, if the model says so."""

    def download(self, generators: Folder) -> Folder:
        """The generator's folder, below this one; downloaded unless the same is there.

        Raises SpecError if the model is no generator, GeneratorError or PriorError if it is damaged,
        TrackingError if its store does not answer.
        """
        with TemporaryDirectory() as place, reaching(self.store):
            self._require_generator(place)
            here = Folder.at(place) / DATA
            self._fetch(f"{DATA}/{CONFIG}", place)
            folder = generators / f"mlflow-{digest(here.read(CONFIG))[:10]}"
            if folder.exists(CONFIG):
                return folder
            try:
                card = read_card(here)
                more = [WEIGHTS] + [PROGRAM] * bool(card.program_sha256)
                more += [f"{PRIOR}/{each}" for each in (WEIGHTS, CONFIG) if card.prior_fingerprint]
                for each in more:
                    self._fetch(f"{DATA}/{each}", place)
                _require_whole(here, card)
            except PreimageError as error:
                raise type(error)(f"{self.uri}: {error}".replace(f"{place}/", "")) from error
            for each in (*more, CONFIG):  # a folder that has it is complete
                folder.write(each, here.read(each))
        return folder

    def _require_generator(self, place: str) -> None:
        self._fetch("MLmodel", place)
        flavors: Any = {}
        with suppress(yaml.YAMLError, ValueError, RecursionError):
            about = yaml.safe_load(Folder.at(place).read("MLmodel"))
            flavors = about.get("flavors") if isinstance(about, dict) else {}
        flavors = flavors if isinstance(flavors, dict) else {}
        own = flavors.get("python_function")
        if not isinstance(own, dict) or own.get("loader_module") != LOADER:
            named = ", ".join(sorted(map(str, flavors))) or "none"
            raise SpecError(
                f"{self.uri} is no generator that Preimage logged (its flavours: {named}): import its "
                "network with `preimage generator import`"
            )

    def _fetch(self, name: str, place: str) -> None:
        """Download one of the model's files to the same name below a folder."""
        below = name.rpartition("/")[0]
        download_artifacts(
            artifact_uri=f"{self.location}/{name}", dst_path=f"{place}/{below}", tracking_uri=self.store
        )


def _require_whole(folder: Folder, card: GeneratorCard) -> None:
    """Raise GeneratorError or PriorError for a damaged generator's folder. Runs no code of its own."""
    if getattr(card.generator, "code", None):
        read_tensors(folder, WEIGHTS, card.weights_sha256, GeneratorError)
    else:
        load_generator(folder)
    load_prior(folder, card)


def find(parts: re.Match[str], config: TrackingConfig, root: Folder) -> ModelFound:
    """The model that an address in its parts means (`model_uri.MODEL`). Raises like `model_uri.look_up`."""
    uri = store_uri(config, root)
    with reaching(uri):
        client = MlflowClient(uri)
        try:
            if parts["name"]:
                return _version(client, uri, parts)
            return _logged(client, uri, parts)
        except MlflowException as error:
            if error.error_code not in UNKNOWN:
                raise
            raise SpecError(_unknown(client, uri, parts)) from error


def _version(client: MlflowClient, uri: str, parts: re.Match[str]) -> ModelFound:
    name, number = parts["name"], parts["version"]
    if parts["alias"]:
        number = client.get_model_version_by_alias(name, parts["alias"]).version
    if number == "latest":
        numbers = [int(each.version) for each in client.search_model_versions(f"name = '{name}'")]
        if not numbers:
            raise SpecError(_unknown(client, uri, parts))
        number = max(numbers)
    version = client.get_model_version(name, str(number))
    location = client.get_model_version_download_uri(name, str(number))
    if location.startswith("models:/"):
        location = client.get_logged_model(location.removeprefix("models:/")).artifact_location
    fingerprint = version.tags.get(FINGERPRINT)
    return ModelFound(f"models:/{name}/{number}", uri, location, version.run_id, fingerprint)


def _logged(client: MlflowClient, uri: str, parts: re.Match[str]) -> ModelFound:
    if parts["model"]:
        model = client.get_logged_model(parts["model"])
    else:
        model = find_model(client, parts["run"], parts["part"])
        if not model:
            raise SpecError(f"the run {parts['run']} in MLflow at {uri} logged no model {parts['part']!r}")
    if model.status != LoggedModelStatus.READY:
        raise SpecError(f"{parts[0]} in MLflow at {uri} is not whole: run the command that logs it again")
    fingerprint = model.tags.get(FINGERPRINT)
    return ModelFound(
        f"models:/{model.model_id}", uri, model.artifact_location, model.source_run_id, fingerprint
    )


def _unknown(client: MlflowClient, uri: str, parts: re.Match[str]) -> str:
    if not parts["name"]:
        what = f"model {parts['model']}" if parts["model"] else f"run {parts['run']}"
        return f"MLflow at {uri} has no {what}"
    found = client.search_model_versions(f"name = '{parts['name']}'")
    if not found:
        return f"MLflow at {uri} has no {parts[0]}: there is no model of that name"
    known = f"its versions are {', '.join(sorted(str(each.version) for each in found))}"
    aliases = sorted(client.get_registered_model(parts["name"]).aliases)
    known += f", its aliases {', '.join(aliases)}" if aliases else ""
    return f"MLflow at {uri} has no {parts[0]}: {known}"
