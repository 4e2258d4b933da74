"""All mistakes of a spec in one report: the place, the rule, the value, and what to write instead."""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from preimage.config import UNKNOWN_KEY, unknown
from preimage.plugins import NOT_USABLE

Path = tuple[str | int, ...]
Mistake = tuple[Path, str]


def check(config: type[BaseModel], value: Any, at: Path = ()) -> tuple[BaseModel | None, list[Mistake]]:
    """Validate a value: the config, or every mistake with its place in the spec."""
    try:
        return config.model_validate(value), []
    except ValidationError as error:
        errors = [each for each in error.errors() if not _counts_wrong_items_out(each)]
        return None, [((*at, *each["loc"]), _explain(config, each)) for each in errors]


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys of a model as a spec file writes them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _explain(config: type[BaseModel], error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        parent = _model_at(config, error["loc"][:-1])
        return unknown(str(error["loc"][-1]), keys_of(parent)) if parent else "no such key"
    if error["type"] == "missing":
        return "is required"
    if error["type"] == NOT_USABLE:
        return f"{error['input']!r}: {error['msg']}"
    if error["type"] == UNKNOWN_KEY:
        return error["msg"]
    if error["type"] == "too_short":
        least = error.get("ctx", {})["min_length"]
        return f"needs at least {least} item{'s' * (least > 1)}, but got {error['input']!r}"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    whole = isinstance(error["input"], dict | list)  # the message itself names the wrong part
    return message if whole and error["type"] == "value_error" else f"{message}, but got {error['input']!r}"


def _counts_wrong_items_out(error: ErrorDetails) -> bool:
    """Whether a list is too short only without its wrong items, each of which has an error of its own."""
    return error["type"] == "too_short" and len(error["input"]) >= error.get("ctx", {})["min_length"]


def _model_at(config: type[BaseModel], path: Path) -> type[BaseModel] | None:
    model: type[BaseModel] | None = config
    for part in path:
        field = model.model_fields.get(str(part)) if model else None
        model = _model_in(field.annotation) if field else model  # a key of a dict of models, or a list index
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each))), None)
