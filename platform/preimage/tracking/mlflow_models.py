"""A run's generator as a model in MLflow: logged with the run, and registered by name.

Nothing is pickled: a model holds the generator's folder as it is, and names the module that reads it.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.types import Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from preimage._version import __version__
from preimage.errors import TrackingError
from preimage.importing.probe import example_codes
from preimage.inversion.labels import spread_labels
from preimage.models.cards import PRIOR, read_card
from preimage.models.config import GeneratorConfig
from preimage.storage.folder import Folder

NAME = "generator"
"""The model's name in its run: `runs:/ID/generator`."""
DATA = f"data/{NAME}"
"""Where a model holds the generator's folder."""
LOADER = "preimage.tracking.generator_model"
"""The module that reads it."""
FINGERPRINT = "preimage.generator_fingerprint"
"""The tag with the generator's fingerprint."""
EXAMPLES = 2
"""Codes in the input example."""


def log_generator(client: MlflowClient, run_id: str, folder: Folder) -> None:
    """Log a generator's folder as the run's model, once: a model is ready only when it is whole, and one that
    is not is completed. Raises what MLflow raises, and GeneratorError if the folder is damaged."""
    card = read_card(folder)
    run = client.get_run(run_id)
    tags = {FINGERPRINT: card.fingerprint}
    model = find_model(client, run_id, NAME, card.fingerprint) or client.create_logged_model(
        run.info.experiment_id, NAME, run_id, tags, model_type="image generator"
    )
    if model.status == LoggedModelStatus.READY:
        return
    linked = run.outputs.model_outputs if run.outputs else []
    if model.model_id not in [each.model_id for each in linked]:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    with TemporaryDirectory() as place:
        client.log_model_artifacts(model.model_id, str(_model(Path(place), model, folder, card.generator)))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def find_model(
    client: MlflowClient, run_id: str, name: str, fingerprint: str | None = None
) -> LoggedModel | None:
    """The latest model of this name that a run logged, of one generator if a fingerprint is given."""
    experiment = client.get_run(run_id).info.experiment_id
    found = client.search_logged_models(
        [experiment],
        f"source_run_id = '{run_id}' AND name = '{name}'",
        order_by=[{"field_name": "creation_timestamp", "ascending": False}],
    )
    return next((each for each in found if fingerprint in (None, each.tags.get(FINGERPRINT))), None)


def register(client: MlflowClient, run_id: str, name: str) -> str:
    """The version of a registered model that is the run's generator; made if there is none.

    Raises what MLflow raises, and TrackingError if the run has no whole model.
    """
    model = find_model(client, run_id, NAME)
    if not model or model.status != LoggedModelStatus.READY:
        raise TrackingError(f"the MLflow run {run_id} has no generator yet that could become {name}.")
    of_run = client.search_model_versions(f"run_id = '{run_id}'")
    versions = {each.name: each.version for each in of_run if each.source == model.artifact_location}
    if name not in versions:
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
        tags = {FINGERPRINT: model.tags.get(FINGERPRINT, "")}
        made = client.create_model_version(
            name, model.artifact_location, run_id, tags=tags, model_id=model.model_id
        )
        versions[name] = made.version
    shown = json.dumps([{"name": each, "version": number} for each, number in versions.items()])
    if model.tags.get(MLFLOW_MODEL_VERSIONS) != shown:  # by which the model's page links to its versions
        client.set_logged_model_tags(model.model_id, {MLFLOW_MODEL_VERSIONS: shown})
    return str(versions[name])


def _model(place: Path, model: LoggedModel, folder: Folder, config: GeneratorConfig) -> Path:
    """Write a model's folder as MLflow lays it out."""
    copy, whole = Folder.at(place / NAME), place / "model"
    for part in (folder, folder / PRIOR):
        to = copy if part == folder else copy / PRIOR
        for name in part.files():
            to.write(name, part.read(name), durable=False)
    example, signature = _interface(config)
    mlflow.pyfunc.save_model(
        str(whole),
        loader_module=LOADER,
        data_path=str(copy.local),
        mlflow_model=Model(
            artifact_path=model.artifact_location,
            run_id=model.source_run_id,
            model_uuid=model.model_id,
            model_id=model.model_id,
        ),
        pip_requirements=[f"preimage=={__version__}"],
        signature=signature,
        input_example=example,
    )
    return whole


def _interface(config: GeneratorConfig) -> tuple[np.ndarray | dict[str, np.ndarray], ModelSignature]:
    """An example of a generator's input, and the types and shapes of its input and output."""
    real, whole = np.dtype(np.float32), np.dtype(np.int64)
    codes = example_codes(EXAMPLES, config.latent_dim)
    labels = spread_labels(EXAMPLES, getattr(config, "classes", 0), codes.device)
    images = Schema([TensorSpec(real, (-1, *config.shape))])
    shape = (-1, config.latent_dim)
    if labels is None:
        return codes.numpy(), ModelSignature(Schema([TensorSpec(real, shape)]), images)
    given = Schema([TensorSpec(real, shape, "codes"), TensorSpec(whole, (-1,), "labels")])
    return {"codes": codes.numpy(), "labels": labels.numpy()}, ModelSignature(given, images)
