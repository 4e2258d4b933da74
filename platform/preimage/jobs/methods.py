"""What a spec calls a method: a generator with the codes of its images."""

from typing import Annotated

from pydantic import BeforeValidator

from preimage.config import Config
from preimage.jobs.references import GeneratorRef, StoreRef


class Method(Config):
    """Where a method's generator is, and the codes that it reconstructs the images from."""

    generator: GeneratorRef
    """An earlier step, a run's name or a generator folder."""
    store: StoreRef
    """An earlier step, a run's name or a latent store's folder."""


def both(given: object) -> object:
    """A single name means a run that leaves both."""
    return {"generator": given, "store": given} if isinstance(given, str) else given


MethodRef = Annotated[Method, BeforeValidator(both, json_schema_input_type=str | Method)]
