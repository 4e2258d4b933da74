"""Where runs are recorded."""

from pydantic import field_validator

from preimage.config import Config


class TrackingConfig(Config):
    """Where runs are recorded. Never part of a fingerprint."""

    uri: str = "local"
    """`local` is MLflow in a SQLite file under the results; any MLflow tracking URI; `jsonl`; `none`."""
    experiment: str = "preimage"
    """The MLflow experiment that the runs go to."""

    @field_validator("uri")
    @classmethod
    def _known(cls, uri: str) -> str:
        if uri not in ("local", "jsonl", "none") and ":" not in uri:
            raise ValueError("must be local, jsonl, none, or an MLflow URI such as http://127.0.0.1:5000")
        return uri
