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
"""What a solver is run with where the config says nothing."""

SEARCHES = ("lbfgs", "levenberg-marquardt")
"""Solvers that find the length of a step by trying: they have no learning rate."""


class InversionConfig(Config):
    """How codes are searched for. The loss of an image is averaged over what is seen of it, and a batch's is
    the sum over its images: no image's gradient depends on its neighbours, and the learning rates are for
    just this loss."""

    solver: SolverName = "lbfgs"
    whiten: bool = True
    """Search in coordinates in which the generator's images change about as fast in every direction; they
    are measured once a generator. On for lbfgs, off for the others, which the papers use as they are."""
    lr: PositiveFloat | None = None
    """Learning rate; each solver has its default, lbfgs and levenberg-marquardt have none."""
    lr_halving_steps: PositiveInt | None = None
    """Halve the learning rate after so many steps (precise-recovery: 1.0, halved every 50,000)."""
    steps: PositiveInt = 60
    """Steps an image gets at most, from each of its starts; each solver has its default."""
    tolerance: NonNegative = 0.0
    """An image whose loss falls to this is done, and counts as converged."""
    patience: PositiveInt | None = 15
    """An image is done when its best loss has not fallen by `min_rel_delta` for so many steps; null never
    stops it so."""
    min_rel_delta: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """The share of its best loss that counts as an improvement."""
    loss: Literal["squared", "lap1"] = "squared"
    """Squared error, or the L1 distance of Laplacian pyramids (glo, section 2)."""
    constraint: ConstraintName = "none"
    """Where codes may be: clip puts a component that left [-1, 1] back on its edge, stochastic-clip draws it
    anew (precise-recovery, section 2), both for a uniform prior; ball is the unit ball (glo, section 3)."""
    init_codes: InitCodesName = "regression"
    """Where codes start: drawn from the prior; N(0, 1e-4 squared) (flexible-priors, E); or as a linear
    regression of codes on images foretells, fitted to images that the generator made."""
    restarts: NonNegativeInt = 0
    """Further starts for an image that is not done by `tolerance`, drawn from the prior; the best is kept."""
    restart_negative: bool = False
    """A further start from the negative of the code found (partial-measurements, theorem 1)."""
    measurement: MeasurementConfig = MeasurementConfig()
    """What is seen of the images."""
    precision: Literal["float32", "mixed"] = "float32"
    """mixed: descend in bfloat16, finish in float32; levenberg-marquardt takes its Jacobians in bfloat16."""
    batch_size: PositiveInt = 64
    """Codes searched for at a time. It changes the speed, not the codes."""

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_solver(cls, given: Any) -> Any:
        """They are written out, so that a resolved spec shows what ran."""
        solver = given.get("solver", "lbfgs") if isinstance(given, dict) else None
        known = DEFAULTS.get(solver, {}) if isinstance(solver, str) else {}
        return known | given if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _that_fits_together(self) -> "InversionConfig":
        wrong = []
        if self.solver in SEARCHES and (self.lr or self.lr_halving_steps):
            wrong.append(f"{self.solver} finds its own step lengths: remove lr and lr_halving_steps")
        if self.solver not in SEARCHES and not self.lr:
            wrong.append(f"{self.solver} needs a learning rate, lr")
        if self.solver == "levenberg-marquardt" and self.loss != "squared":
            wrong.append("levenberg-marquardt minimises squares: use another solver with loss=lap1")
        if self.solver == "levenberg-marquardt" and self.whiten:
            wrong.append("levenberg-marquardt measures its own coordinates at every step: remove whiten")
        if self.solver == "lbfgs" and self.precision == "mixed":
            wrong.append("lbfgs compares losses too fine for bfloat16: use precision=float32")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self
