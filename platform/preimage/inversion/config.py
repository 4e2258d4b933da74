"""The settings of an inversion."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from preimage.config import Config, PositiveFloat, PositiveInt
from preimage.inversion.measurements import MeasurementConfig

NonNegative = Annotated[float, Field(ge=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]

SolverName = Literal["gradient-descent", "momentum", "rmsprop", "adam", "lbfgs", "levenberg-marquardt"]
ConstraintName = Literal["none", "clip", "stochastic-clip", "ball"]
InitCodesName = Literal["prior", "small-normal", "regression"]

DEFAULTS: dict[str, dict[str, Any]] = {
    "gradient-descent": {"lr": 1.0, "steps": 2000, "patience": 200, "whiten": False},
    "momentum": {"lr": 0.1, "steps": 1000, "patience": 100, "whiten": False},
    "rmsprop": {"lr": 0.02, "steps": 500, "patience": 50, "whiten": False},
    "adam": {"lr": 0.05, "steps": 500, "patience": 50, "whiten": False},
    "lbfgs": {"lr": None, "steps": 60, "patience": 15, "whiten": True},
    "levenberg-marquardt": {"lr": None, "steps": 60, "patience": 15, "whiten": False},
}
"""The settings of a solver where the config sets none."""

SEARCHES = ("lbfgs", "levenberg-marquardt")
"""Solvers that search for the length of each step: they have no learning rate."""


class InversionConfig(Config):
    """How to search for codes. The loss of an image is averaged over its observed part, and a batch's loss is
    the sum over its images: no image's gradient depends on the others. Learning rates refer to this loss."""

    solver: SolverName = "lbfgs"
    whiten: bool = True
    """Search in coordinates in which the generator's images change about equally fast in every direction;
    they are measured once per generator. On for lbfgs; off for the others, as in the papers."""
    lr: PositiveFloat | None = None
    """Learning rate. Each solver has its own default; lbfgs and levenberg-marquardt have none."""
    lr_halving_steps: PositiveInt | None = None
    """Halve the learning rate every this many steps (precise-recovery: 1.0, halved every 50,000)."""
    steps: PositiveInt = 60
    """Maximum steps of an image from each of its starts. Each solver has its own default."""
    tolerance: NonNegative = 0.0
    """An image stops when its loss falls to this value, and counts as converged."""
    patience: PositiveInt | None = 15
    """An image stops when its best loss has not fallen by `min_rel_delta` for this many steps; null disables
    this."""
    min_rel_delta: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """The relative decrease of the best loss that counts as an improvement."""
    loss: Literal["squared", "lap1"] = "squared"
    """Squared error, or the L1 distance of Laplacian pyramids (glo, section 2)."""
    constraint: ConstraintName = "none"
    """Where codes may lie. clip moves a component outside [-1, 1] to the nearest edge; stochastic-clip
    redraws it (precise-recovery, section 2); both are for a uniform prior. ball is the unit ball (glo,
    section 3)."""
    init_codes: InitCodesName = "regression"
    """Where codes start. prior draws from the prior; small-normal from N(0, 1e-4 squared) (flexible-priors,
    E); regression predicts them by a linear regression of codes on images, fitted to generated images."""
    restarts: NonNegativeInt = 0
    """Further starts from the prior for an image that has not reached `tolerance`; the best is kept."""
    restart_negative: bool = False
    """Also start from the negative of the code found (partial-measurements, theorem 1)."""
    measurement: MeasurementConfig = MeasurementConfig()
    """What is observed of the images."""
    precision: Literal["float32", "mixed"] = "float32"
    """mixed: descend in bfloat16, finish in float32; levenberg-marquardt takes its Jacobians in bfloat16."""
    batch_size: PositiveInt = 64
    """Codes per batch. It changes the speed, not the codes."""

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_solver(cls, given: Any) -> Any:
        """Fill in the solver's defaults, so that a resolved spec shows what ran."""
        solver = given.get("solver", "lbfgs") if isinstance(given, dict) else None
        known = DEFAULTS.get(solver, {}) if isinstance(solver, str) else {}
        return known | given if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _settings_fit_together(self) -> "InversionConfig":
        wrong = []
        if self.solver in SEARCHES and (self.lr or self.lr_halving_steps):
            wrong.append(f"{self.solver} finds its own step lengths: remove lr and lr_halving_steps")
        if self.solver not in SEARCHES and not self.lr:
            wrong.append(f"{self.solver} needs a learning rate: set lr")
        if self.solver == "levenberg-marquardt" and self.loss != "squared":
            wrong.append("levenberg-marquardt minimises squares only: use another solver with loss=lap1")
        if self.solver == "levenberg-marquardt" and self.whiten:
            wrong.append("levenberg-marquardt measures its own coordinates at every step: remove whiten")
        if self.solver == "lbfgs" and self.precision == "mixed":
            wrong.append("lbfgs compares losses too finely for bfloat16: use precision=float32")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self
