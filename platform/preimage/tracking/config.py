"""Where runs are recorded."""

import os
import re

from pydantic import field_validator, model_validator

from preimage.config import Config
from preimage.errors import TrackingError
from preimage.storage.credentials import refusal

_MODEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_. -]{0,200}[A-Za-z0-9_-])?")
"""MLflow refuses / and :, and reads @ as the sign of an alias."""


class TrackingConfig(Config):
    """Where runs are recorded. Never part of a fingerprint."""

    uri: str = "auto"
    """`auto`, the server that MLFLOW_TRACKING_URI names, or else `local`; `local`, MLflow in a SQLite file
    under the results; `jsonl`; `none`; or any MLflow tracking URI."""
    experiment: str = "preimage"
    """The MLflow experiment of the runs."""
    register_as: str | None = None
    """Make the generator a version of the registered model of this name in MLflow when the run has finished:
    in a pipeline, that of the last step that makes one. A finished run that is run again with this key is
    registered too, and never twice."""

    @property
    def here(self) -> "TrackingConfig":
        """This config with `auto` resolved for this process.

        Raises TrackingError if MLFLOW_TRACKING_URI carries a password.
        """
        if self.uri != "auto":
            return self
        uri = os.environ.get("MLFLOW_TRACKING_URI") or "local"
        if problem := refusal(uri):
            raise TrackingError(f"MLFLOW_TRACKING_URI: {problem}")
        return self.model_copy(update={"uri": uri})

    @field_validator("register_as")
    @classmethod
    def _accepted(cls, name: str | None) -> str | None:
        if name is not None and not _MODEL_NAME.fullmatch(name):
            raise ValueError(
                "a registered model is named with letters, digits, inner spaces, ., - and _, and begins with "
                f"a letter or digit, but this is {name!r}"
            )
        return name

    @model_validator(mode="after")
    def _registers_in_mlflow(self) -> "TrackingConfig":
        if self.register_as and self.uri in ("jsonl", "none"):
            raise ValueError(f"register_as needs MLflow, but uri is {self.uri}: leave one of them out")
        return self

    @field_validator("uri")
    @classmethod
    def _known(cls, uri: str) -> str:
        if problem := refusal(uri):
            raise ValueError(problem)
        if uri not in ("auto", "local", "jsonl", "none") and ":" not in uri:
            raise ValueError(
                "must be auto, local, jsonl, none, or an MLflow URI such as http://127.0.0.1:5000"
            )
        return uri
