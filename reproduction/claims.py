"""What the papers claim, and where our answer to each claim stands: docs/reproduction/papers/PAPER.yaml."""

from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from preimage.config import Config, mistakes_in
from preimage.errors import PreimageError
from preimage.storage.plain_yaml import load

from .printed import printed, printed_value

PAPERS = (
    "glo",
    "flexible-priors",
    "denoising-feature-matching",
    "precise-recovery",
    "partial-measurements",
)

Judged = Literal["reproduced", "direction only", "undecided", "not reproduced"]
Unanswered = Literal["missing", "needs a GPU", "needs a file", "not built", "nothing to run"]
WITHOUT_CODE = ("not built", "nothing to run")
"""What no command can answer."""
Names = tuple[str, ...]


class Ours(Config):
    """Where our value stands in records."""

    metric: str
    """A number's dotted name in the outcome; `*` stands for anything, such as the numbers of
    seeds, and `?` for one character."""
    runs: Names = ()
    """Records, as in the claim, where they differ from the claim's."""
    of: Literal["all", "lowest", "highest"] = "all"
    """Which of several numbers of one run: all of them, such as those of seeds, or one end."""


class Rule(Config):
    """What our values must be; exactly one of these."""

    within: float | None = None
    """As near as this to the printed values: 0.1 is 10%."""
    order: Literal["paper"] | Names | None = None
    """They rise in this order, or are ordered as the paper's are, by more than their
    intervals (`Value.below`)."""
    at_least: float | None = None
    at_most: float | None = None
    of: Names = ()
    """The values that it is about; default: all."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [self.within, self.order, self.at_least, self.at_most]
        if sum(each is not None for each in given) != 1:
            raise ValueError("a rule is exactly one of within, order, at_least and at_most")
        return self


class Claim(Config):
    """One table, figure, theorem or printed result of a paper, or a part of one."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    """The row's anchor is PAPER-ID."""
    where: str
    """Such as `Table 1` or `Section 4.3`; of a part, `Table 1, MNIST`."""
    says: str
    data: str = "not stated"
    """The paper's data, sizes and seeds, as far as it states them."""
    published: str | dict[str, str] = Field(default_factory=dict)
    """Its printed values, by reference: all that `GLO_ERRORS mnist` names in preimage.jobs.published, or each
    as `GLO_ERRORS mnist: PCA`."""
    paper: dict[str, float] = Field(default_factory=dict)
    """Printed values that stand nowhere else."""
    runs: Names = ()
    """The records that answer it, such as `glo-table1-mnist`; `*` stands for anything."""
    ours: dict[str, Ours] = Field(default_factory=dict)
    """Our value by the name of the printed one, or another name."""
    reproduced: tuple[Rule, ...] = ()
    """It is reproduced if all of these hold."""
    direction: tuple[Rule, ...] = ()
    """Otherwise its direction is, if all of these hold."""
    verdict: Judged | None = None
    """By eye, or by argument, where no rule can decide; once there are records, if it names any."""
    because: str = ""
    """Why the verdict is no better."""
    without: Unanswered = "missing"
    """What it is while there is no record."""
    command: str = ""
    """What makes the runs."""
    takes: str = ""
    """How long that takes, on what."""
    random: bool = True
    """Whether a seed decides our values."""
    table: str = ""
    """The table below the rows in which its values are a column."""
    title: str = ""
    """The column's head."""

    @field_validator("ours", mode="before")
    @classmethod
    def _short(cls, value: dict) -> dict:
        """A value may be a metric's name alone."""
        return {name: {"metric": each} if isinstance(each, str) else each for name, each in value.items()}

    @property
    def names(self) -> Names:
        """Every value, the paper's first."""
        return tuple(dict.fromkeys([*self.printed, *self.ours]))

    @property
    def printed(self) -> dict[str, float]:
        """The paper's values."""
        if isinstance(self.published, str):
            return printed(self.published) | self.paper
        return {name: printed_value(each) for name, each in self.published.items()} | self.paper

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names, rules = self.names, (*self.reproduced, *self.direction)
        if rules and (self.verdict or not self.ours):
            raise ValueError("rules decide the verdict from `ours`: give no verdict beside them")
        if self.verdict and not self.because:
            raise ValueError("a verdict that no rule decides needs `because`")
        for rule in rules:
            named = [*rule.of, *(rule.order if isinstance(rule.order, tuple) else ())]
            if unknown := set(named) - set(names):
                raise ValueError(
                    f"a rule names {', '.join(sorted(unknown))}; the values are {', '.join(names)}"
                )
        if not self.command and not self.verdict and self.without not in WITHOUT_CODE:
            raise ValueError("give the command that makes its runs, and how long it takes")
        return self


class Paper(Config):
    """A paper's claims."""

    short: str
    """What the README calls it."""
    title: str
    claims: tuple[Claim, ...]

    @field_validator("claims")
    @classmethod
    def _distinct(cls, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        ids = [each.id for each in claims]
        if twice := {each for each in ids if ids.count(each) > 1}:
            raise ValueError(f"several claims have the id {', '.join(sorted(twice))}")
        return claims


def read_papers(folder: Path) -> dict[str, Paper]:
    """All papers by name, in order. Raises PreimageError for a mistake in a file."""
    return {name: _read(folder / f"{name}.yaml") for name in PAPERS}


def _read(path: Path) -> Paper:
    try:
        return Paper.model_validate(load(path.read_text()))
    except yaml.YAMLError as error:
        raise PreimageError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise PreimageError(f"{path}: {place}: {mistakes_in(error)}") from error
