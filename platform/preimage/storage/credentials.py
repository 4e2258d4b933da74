"""Refuse addresses that carry passwords or keys: they end up in specs, logs, MLflow and process lists."""

import re
from typing import Any
from urllib.parse import unquote

Place = tuple[str | int, ...]

_CARRIED = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s@]*:[^\s@]+@"  # user:password@host; a key may hold a slash
    r"|://\S*[?&][^=&\s]*(secret|passw|token|signature|credential|(account|access|api)_?key)[^=&\s]*=[^&\s]",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_BELONGS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "gcs": "GOOGLE_APPLICATION_CREDENTIALS",
    "http": "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    "https": "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
}


def refusal(text: str) -> str | None:
    """The message for an address that carries a password or a key, without either; None for other text."""
    if not (_CARRIED.search(text) or _CARRIED.search(unquote(text))):
        return None
    scheme = _SCHEME.search(text)
    where = _BELONGS.get(scheme[1].lower()) if scheme else None
    remedy = f"set {where} in the environment" if where else "configure it on the server instead"
    return (
        "this address carries a password or a key, which would be written into specs, logs and MLflow: "
        f"remove it, and {remedy}"
    )


def refusals(value: Any, place: Place = ()) -> list[tuple[Place, str]]:
    """Find such addresses within plain values: the place of each, and its message."""
    if isinstance(value, str):
        message = refusal(value)
        return [(place, message)] if message else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, each in inner for found in refusals(each, (*place, key))]
