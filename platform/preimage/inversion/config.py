"""The settings of an inversion."""

from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    FieldSerializationInfo,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from preimage.config import ALIKE, Config, PositiveFloat, PositiveInt
from preimage.errors import InversionError
from preimage.inversion.constraints import ConstraintName
from preimage.inversion.losses import LOSSES
from preimage.inversion.measurements import MeasurementConfig
from preimage.inversion.solvers import SOLVERS
from preimage.own_settings import OwnSettings, own_settings, with_own_settings

NonNegative = Annotated[float, Field(ge=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]

CPU_BATCH = 64
"""Codes per batch on a CPU, which more of them would not make faster."""

InitCodesName = Literal["prior", "small-normal", "regression", "cascade"]
PREDICTED: tuple[InitCodesName, ...] = ("regression", "cascade")
"""The starts that a fit to generated images predicts."""


def _add_solver_settings(schema: dict[str, Any]) -> None:
    kinds, _ = SOLVERS.working()
    settings = {name: kind.settings for name, kind in kinds.items()}
    with_own_settings(schema, "solver", "solver_settings", settings)


class InversionConfig(Config):
    """How to search for codes. The loss of an image is averaged over its observed part, and a batch's loss is
    the sum over its images: no image's gradient depends on the others. Learning rates refer to this loss."""

    model_config = ConfigDict(json_schema_extra=_add_solver_settings)

    solver: Annotated[str, SOLVERS] = "lbfgs"
    solver_settings: OwnSettings = None
    """Settings that this solver alone has, as a plugin's may."""
    whiten: bool = True
    """Search in coordinates in which the generator's images change about equally fast in every direction;
    they are measured once per generator, at 128 codes for one image and up to 8 d for many. On for lbfgs;
    off for the others, as in the papers."""
    lr: PositiveFloat | None = None
    """Learning rate. Each solver has its own default; lbfgs and levenberg-marquardt have none."""
    lr_halving_steps: PositiveInt | None = None
    """Halve the learning rate every this many steps. precise-recovery says only that the rate is attenuated
    over time; the code of its authors begins with 1.0 and halves it every 50,000 steps."""
    steps: PositiveInt = 60
    """Maximum steps of an image from each of its starts. Each solver has its own default."""
    tolerance: NonNegative = 0.0
    """An image stops when its loss falls to this value, and counts as converged."""
    patience: PositiveInt | None = 15
    """An image stops when its best loss has not fallen by `min_rel_delta` for this many steps; null disables
    this."""
    min_rel_delta: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """The relative decrease of the best loss that counts as an improvement."""
    loss: Annotated[str, LOSSES] = "squared"
    """Squared error, or the L1 distance of Laplacian pyramids (glo, section 2), or a plugin's."""
    constraint: ConstraintName = "none"
    """Where codes may lie. clip moves a component outside [-1, 1] to the nearest edge; stochastic-clip
    redraws it (precise-recovery, section 2); both are for a uniform prior. ball is the unit ball (glo,
    section 3)."""
    init_codes: InitCodesName = "regression"
    """Where codes start. prior draws from the prior; small-normal from N(0, 1e-4 squared) (flexible-priors,
    E); regression predicts them by a linear regression of codes on generated images: 128 for up to 16
    images, about 8 for each of more, 4,096 at most; cascade by several, each on the error of the one before,
    always on 4,096: closer, for images the generator can make."""
    restarts: NonNegativeInt = 0
    """Further starts from the prior for an image that has not reached `tolerance`; the best is kept."""
    restart_negative: bool = False
    """Also start from the negative of the code found (partial-measurements, theorem 1)."""
    measurement: MeasurementConfig = MeasurementConfig()
    """What is observed of the images."""
    precision: Literal["float32", "mixed"] = "float32"
    """mixed: descend in bfloat16, finish in float32; levenberg-marquardt takes its Jacobians in bfloat16."""
    batch_size: PositiveInt | Literal["auto"] = "auto"
    """Codes per batch. It changes the speed, not the codes. auto: 64 on a CPU, on a GPU as many as its memory
    has room for, but 2,048 at most."""

    @property
    def planned_batch(self) -> int:
        """Codes per batch as they are known before there is a device, and the same on every machine."""
        return CPU_BATCH if self.batch_size == "auto" else self.batch_size

    @field_serializer("batch_size")
    def _batch_size(self, size: int | str, info: FieldSerializationInfo) -> int | str:
        return self.planned_batch if info.context == ALIKE else size

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_solver(cls, given: Any) -> Any:
        """Fill in the solver's defaults, so that a resolved spec shows what ran."""
        if not isinstance(given, dict):
            return given
        kind = SOLVERS.get(given.get("solver", "lbfgs"))
        return (kind.defaults if kind else {}) | given

    @field_validator("solver_settings", mode="before")
    @classmethod
    def _settings_of_the_solver(cls, given: Any, info: ValidationInfo) -> Any:
        kind = SOLVERS.get(solver := info.data.get("solver"))
        return own_settings(str(solver), kind.settings, given) if kind else None

    @model_validator(mode="after")
    def _settings_fit_together(self) -> "InversionConfig":
        solver, kind = self.solver, SOLVERS[self.solver]
        wrong = []
        if kind.lr is None and (self.lr or self.lr_halving_steps):
            wrong.append(f"{solver} finds its own step lengths: remove lr and lr_halving_steps")
        if kind.lr is not None and not self.lr:
            wrong.append(f"{solver} needs a learning rate: set lr")
        if kind.squares_only and not LOSSES[self.loss].is_squares:
            wrong.append(f"{solver} minimises squares only: use another solver with loss={self.loss}")
        if not kind.takes_whitening and self.whiten:
            wrong.append(f"{solver} makes no use of whitening: remove whiten")
        if not kind.takes_bfloat16 and self.precision == "mixed":
            wrong.append(f"{solver} needs losses more exact than bfloat16's: use precision=float32")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def require_own_starts(config: InversionConfig) -> None:
    """Raise InversionError for settings that would make an image's draws alike, or move them."""
    if config.init_codes != "prior" or config.restarts or config.restart_negative:
        raise InversionError(
            "conditional draws each start from their own draw of the Gaussian fitted to the codes: "
            "set init_codes=prior and remove restarts and restart_negative"
        )
    if config.constraint != "none":
        raise InversionError(
            f"constraint={config.constraint} applies to codes, but conditional draws search in the noise "
            "behind the codes, which already keeps them in the prior: set constraint=none"
        )


def follows_local_rate(config: InversionConfig) -> bool:
    """Whether it is plain gradient descent on the squared error: of others the local rate says nothing."""
    return config.solver == "gradient-descent" and not config.whiten and config.loss == "squared"
