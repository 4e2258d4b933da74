"""Generators in MLflow, by the addresses that MLflow gives its models."""

import re
from typing import TYPE_CHECKING

from preimage.errors import SpecError, TrackingError
from preimage.extras import require
from preimage.storage.folder import Folder
from preimage.tracking.config import TrackingConfig

if TYPE_CHECKING:  # MLflow takes 3 seconds to import
    from preimage.tracking.mlflow_lookup import ModelFound

MODEL = re.compile(
    r"models:/(?P<name>[^/:@'\"]+)(/(?P<version>[0-9]+|latest)|@(?P<alias>[\w-]+))"
    r"|models:/(?P<model>m-[0-9a-f]{32})"
    r"|runs:/(?P<run>[0-9a-f]{32})/(?P<part>[^/:.%'\"]+)"
)


def is_model_uri(name: str) -> bool:
    """Whether a name means a model in MLflow, well written or not."""
    return name.startswith(("models:", "runs:"))


def look_up(name: str, config: TrackingConfig, root: Folder) -> "ModelFound":
    """The generator in MLflow that a name such as `models:/decoder@best` means now.

    root: of the results. Raises SpecError if it is malformed, unknown or no generator, or if there is no
    MLflow store; TrackingError if that does not answer.
    """
    parts, config = MODEL.fullmatch(name), config.here
    if not parts:
        raise SpecError(
            f"{name!r} is no address of a model in MLflow: write models:/NAME/3, models:/NAME@ALIAS, "
            "models:/NAME/latest, or runs:/ID/generator with the 32 digits of a run's id"
        )
    if config.uri in ("none", "jsonl"):
        raise SpecError(
            f"{name} is a model in MLflow, but tracking.uri is {config.uri}: name the store that has it"
        )
    if config.uri == "local" and not (root.is_local and root.exists("mlflow.db")):
        raise SpecError(
            f"{name} is a model in MLflow, but {root.uri} has no MLflow store: name the one that has it with "
            "tracking.uri or MLFLOW_TRACKING_URI"
        )
    require(name, "mlflow", kind=TrackingError)
    from preimage.tracking.mlflow_lookup import find

    return find(parts, config, root)
