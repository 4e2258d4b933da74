"""The network that scores samples during a training run, and its keys in a spec."""

from typing import Annotated

from pydantic import Field, model_validator

from preimage.config import Config
from preimage.jobs.references import ClassifierRef
from preimage.training.metric_names import SCORES


class ScoringConfig(Config):
    """Scores of samples at every checkpoint of a training run."""

    classifier: ClassifierRef | None = None
    """An earlier step, a run's name or a classifier's folder; by default the Inception network."""
    weights: str | None = None
    """A file of Inception's weights, present on every machine; by default they are downloaded."""
    images: Annotated[int, Field(ge=10)] = 5000
    """Samples scored each time, and as many real images to compare them with."""

    @model_validator(mode="after")
    def _one_network(self) -> "ScoringConfig":
        if self.classifier and self.weights:
            raise ValueError("weights are Inception's: remove classifier, or remove weights")
        return self

    @property
    def recorded(self) -> tuple[str, ...]:
        """The metrics that scoring records; the score itself is first."""
        return SCORES["classifier" if self.classifier else "inception"]
