"""A plugin's own settings inside a config: checked by its own model, in the one report of all mistakes."""

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from preimage.config import Config, unknown

UNKNOWN_KEY = "unknown_key"
"""The type of pydantic's error for a key that a plugin's settings lack; its message names the nearest."""


class OptionsSchema:
    """Gives a key's JSON Schema the settings of every installed plugin, as an annotation of its type."""

    def __init__(self, models: Callable[[], Iterator[type[Config]]]) -> None:
        self._models = models

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        found = [handler(each.__pydantic_core_schema__) for each in self._models()]
        return {"anyOf": [*(found or [{"type": "object"}]), {"type": "null"}]}


def checked(model: type[Config], values: Any) -> Config:
    """The settings. Raises pydantic's ValidationError, which a validator may pass on: each mistake then has
    its place in the whole."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        mistakes: list[InitErrorDetails] = []
        for each in error.errors():
            mistake = InitErrorDetails(type=each["type"], loc=each["loc"], input=each["input"])
            if "ctx" in each:
                mistake["ctx"] = each["ctx"]
            if each["type"] == "extra_forbidden" and len(each["loc"]) == 1:
                problem = unknown(str(each["loc"][0]), list(model.model_fields))
                mistake["type"] = PydanticCustomError(UNKNOWN_KEY, "{problem}", {"problem": problem})
            mistakes.append(mistake)
        raise ValidationError.from_exception_data(error.title, mistakes) from None
