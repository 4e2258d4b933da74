"""The settings of a study: what is varied, who chooses, and what is given up early."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from preimage.config import Config, PositiveInt

Direction = Literal["minimize", "maximize"]
BEST_VALUE: dict[Direction, str] = {"minimize": "lowest", "maximize": "highest"}
"""The value that each direction calls the best, in words."""
Value = bool | int | float | str | None
"""What a key of a space may be given, as YAML writes it."""


class Space(Config):
    """The values that one key may take: exactly one of `choice`, `int`, `uniform` and `log-uniform`."""

    model_config = ConfigDict(populate_by_name=True)

    choice: tuple[Any, ...] | None = None
    """One of these."""
    integer: tuple[int, int] | None = Field(None, alias="int")
    """A whole number from the first to the last, both included."""
    uniform: tuple[float, float] | None = None
    """A number between the two."""
    log_uniform: tuple[float, float] | None = Field(None, alias="log-uniform")
    """A number between the two, its logarithm uniform."""
    log: bool = False
    """With `int`: small numbers are tried as often as large ones."""
    when: dict[str, Any] = Field(default_factory=dict)
    """Only where these other keys of the space have this value, or one of this list."""

    @model_validator(mode="after")
    def _one_kind(self) -> "Space":
        given = [name for name, part in self._kinds().items() if part is not None]
        if len(given) != 1:
            raise ValueError("needs exactly one of choice, int, uniform, log-uniform")
        if self.log and not self.integer:
            raise ValueError("log goes with int: write log-uniform for numbers that are not whole")
        return self

    @model_validator(mode="after")
    def _values_there(self) -> "Space":
        if self.choice is not None and not self.choice:
            raise ValueError("choice needs one value at least")
        if self.choice is not None and any(each in self.choice[:i] for i, each in enumerate(self.choice)):
            raise ValueError(f"choice has a value twice: {list(self.choice)}")
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
        """One value that stands for all: the first choice, or the lower bound."""
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
    """Who chooses the parameters of the next trial."""

    name: Literal["grid", "random", "tpe", "cma-es"] = "tpe"
    """tpe: Bergstra et al. 2011; cma-es: Hansen 2016; both as Optuna has them."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    n_startup_trials: PositiveInt = 10
    """Trials drawn at random before tpe and cma-es learn from results."""


class SchedulerConfig(Config):
    """Which trials are given up before their end, by a metric that their training records."""

    name: Literal["none", "asha", "median"] = "none"
    """asha: successive halving, each rung `factor` times the one before (Li et al. 2020); median: worse than
    the median of the trials before, at the same number of images."""
    metric: str | None = None
    """A metric that the trial's training records."""
    min_resource: PositiveInt | None = None
    """Images seen at the first rung of asha; before that many, median gives up nothing."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """asha: one trial in so many goes on from each rung."""
    n_startup_trials: PositiveInt = 3
    """median: trials that must be there to compare with."""

    @model_validator(mode="after")
    def _complete(self) -> "SchedulerConfig":
        if self.name != "none" and (self.metric is None or self.min_resource is None):
            raise ValueError(
                f"{self.name} needs `metric` (one that the training records) and `first` (images)"
            )
        return self
