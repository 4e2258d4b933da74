"""The settings of a study: the search space, the sampler, and the scheduler that stops trials early."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from preimage.config import Config, PositiveInt

Direction = Literal["minimize", "maximize"]
BEST_VALUE: dict[Direction, str] = {"minimize": "lowest", "maximize": "highest"}
"""The best value of each direction, in words."""
Value = bool | int | float | str | None
"""A value of a key of a space, as YAML writes it."""


class Space(Config):
    """The values that one key may take: exactly one of `choice`, `int`, `uniform` and `log-uniform`."""

    model_config = ConfigDict(populate_by_name=True)

    choice: tuple[Any, ...] | None = None
    """One of these."""
    integer: tuple[int, int] | None = Field(None, alias="int")
    """An integer from the first to the last, both included."""
    uniform: tuple[float, float] | None = None
    """A number between the two."""
    log_uniform: tuple[float, float] | None = Field(None, alias="log-uniform")
    """A number between the two, drawn with a uniform logarithm."""
    log: bool = False
    """With `int`: draw on a log scale, so small numbers are as frequent as large ones."""
    when: dict[str, Any] = Field(default_factory=dict)
    """Use the key only if these other keys of the space have this value, or one of this list."""

    @model_validator(mode="after")
    def _one_kind(self) -> "Space":
        given = [name for name, part in self._kinds().items() if part is not None]
        if len(given) != 1:
            has = f"has {' and '.join(given)}" if given else "has none"
            raise ValueError(f"needs exactly one of choice, int, uniform, log-uniform, but {has}")
        if self.log and not self.integer:
            raise ValueError("log requires int: write log-uniform for real numbers")
        return self

    @model_validator(mode="after")
    def _choices_distinct(self) -> "Space":
        if self.choice is not None and not self.choice:
            raise ValueError("choice needs at least one value")
        if self.choice is not None and any(each in self.choice[:i] for i, each in enumerate(self.choice)):
            raise ValueError(f"the values of choice must differ but got {list(self.choice)}")
        return self

    @model_validator(mode="after")
    def _bounds_in_order(self) -> "Space":
        if bounds := self.bounds:
            low, high = bounds
            if not low < high:
                raise ValueError(f"the lower bound must be below the upper, but got [{low}, {high}]")
            if (self.log or self.log_uniform) and low <= 0:
                raise ValueError(f"a logarithm needs a lower bound above 0, but got {low}")
        return self

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The lowest and the highest value of a numeric space; None for a choice."""
        return self.integer or self.uniform or self.log_uniform

    @property
    def first(self) -> Any:
        """A representative value: the first choice, or the lower bound."""
        return self.choice[0] if self.choice else (self.bounds or (None,))[0]

    def _kinds(self) -> dict[str, Any]:
        return {
            "choice": self.choice,
            "int": self.integer,
            "uniform": self.uniform,
            "log-uniform": self.log_uniform,
        }

    def plain(self) -> dict[str, Any]:
        """As a spec file writes it."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


class SamplerConfig(Config):
    """How the parameters of the next trial are chosen."""

    name: Literal["grid", "random", "tpe", "cma-es"] = "tpe"
    """tpe: Bergstra et al. 2011; cma-es: Hansen 2016; both as in Optuna."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    n_startup_trials: PositiveInt = 10
    """Random trials before tpe and cma-es start to learn from results."""


class SchedulerConfig(Config):
    """Which trials stop early, by a metric that their training run records."""

    name: Literal["none", "asha", "median"] = "none"
    """asha: successive halving, each rung `reduction_factor` times the one before (Li et al. 2020); median:
    stop a trial that is worse than the median of earlier trials at the same number of images."""
    metric: str | None = None
    """A metric that the trial's training run records."""
    min_resource: PositiveInt | None = None
    """Images seen at the first rung of asha; median stops no trial before that."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """asha: one trial in this many continues past each rung."""
    n_startup_trials: PositiveInt = 3
    """median: the number of earlier trials required for a comparison."""

    @model_validator(mode="after")
    def _complete(self) -> "SchedulerConfig":
        if self.name != "none" and (self.metric is None or self.min_resource is None):
            raise ValueError(
                f"{self.name} needs `metric` (one that the training run records) and `min_resource` (images)"
            )
        return self
