"""Settings that only one kind of a thing has, such as one solver: under a key of their own, checked by the
kind's own config."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field, SerializeAsAny, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from preimage.config import UNKNOWN_KEY, Config, unknown

Kind = TypeVar("Kind")
OwnSettings = Annotated[
    Annotated[SerializeAsAny[Config], WithJsonSchema({"type": "object"})] | None,
    Field(validate_default=True, exclude_if=lambda settings: settings is None),
]
"""The annotation of that key: validated by `own_settings`, and left out where the kind has no settings."""


class NoSettings(Config):
    """For a kind without settings of its own."""


def kind_check(kind: type[Kind], key: str = "settings") -> Callable[[str, Any], Kind]:
    """How a registry of kinds with settings of their own checks one. key: its field with their model."""

    def check(name: str, found: Any) -> Kind:
        if not isinstance(found, kind):
            raise TypeError(f"it must be a {kind.__module__}.{kind.__name__}, not {type(found).__name__}")
        model = getattr(found, key)
        if not (isinstance(model, type) and issubclass(model, Config)):
            raise TypeError(f"its {key} must be a class that derives from preimage.config.Config")
        return found

    return check


def own_settings(name: str, config: type[Config], given: Any) -> Config | None:
    """The settings of a kind, by its name, from what a spec gives; None for a kind that has none.

    Raises ValidationError, each mistake at its own key, or ValueError.
    """
    if isinstance(given, config):
        return given
    if not config.model_fields:
        if given:
            raise ValueError(f"{name} has no settings of its own: remove them")
        return None
    try:
        return config.model_validate({} if given is None else given)
    except ValidationError as error:
        mistakes = [_mistake(config, dict(each)) for each in error.errors()]
        raise ValidationError.from_exception_data(error.title, mistakes) from error


def with_own_settings(
    schema: dict[str, Any], key: str, under: str, kinds: Mapping[str, type[Config]]
) -> None:
    """Add the settings of each kind, by its name, to the JSON Schema of a model.

    key: the property that names the kind. under: the one that holds its settings.
    """
    rules = [
        {
            "if": {"properties": {key: {"const": name}}, "required": [key]},
            "then": {"properties": {under: own}, **({"required": [under]} if "required" in own else {})},
        }
        for name, config in kinds.items()
        if config.model_fields and "$defs" not in (own := config.model_json_schema())  # else $ref is lost
    ]
    if rules:
        schema["allOf"] = rules


def _mistake(config: type[Config], error: dict[str, Any]) -> InitErrorDetails:
    kind, problem = error["type"], error["msg"]
    if kind == "extra_forbidden" and len(error["loc"]) == 1:
        kind, problem = UNKNOWN_KEY, unknown(str(error["loc"][0]), list(config.model_fields))
    told = PydanticCustomError(kind, "{problem}", {"problem": problem})
    return InitErrorDetails(type=told, loc=error["loc"], input=error["input"])
