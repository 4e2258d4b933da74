"""What is searched for, the codes on their way, and the results of the searches that are done."""

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import torch
from torch import Tensor

from preimage.inversion.config import InversionConfig
from preimage.inversion.problem import Rows
from preimage.inversion.solvers import State, Step, like

LOW_SHARE = 0.9
"""With precision=mixed, the largest fraction of an image's steps taken in bfloat16."""


class Given(NamedTuple):
    """What is searched for: N images, or observations of them."""

    images: Tensor
    ids: Tensor
    """(N,) int64."""
    labels: Tensor | None
    measured: bool
    """Whether the images are measured already."""


@dataclass(frozen=True)
class Inversion:
    """The codes found for N images, on the CPU."""

    z: Tensor
    """(N, d) float32, each image's best iterate."""
    loss: Tensor
    """(N,) float32, averaged over the observed part of the image; non-finite if every code's was."""
    steps: Tensor
    """(N,) int32, the solver's steps, over all restarts."""
    passes: Tensor
    """(N,) int64, generator evaluations: forward and reverse passes and forward-mode tangents, one each."""
    restart: Tensor
    """(N,) int32, which start led to the code: 0 for the first."""
    converged: Tensor
    """(N,) bool, whether the search that found it stopped by itself."""
    diverged: Tensor
    """(N,) bool, whether that search met a non-finite loss."""
    kept_z: Tensor
    """(N, k, d), the codes at the k steps of `keep`, from the first start; the best code once it stopped."""
    kept_loss: Tensor
    """(N, k), their losses."""

    @classmethod
    def empty(cls, count: int, latent_dim: int, kept: int) -> "Inversion":
        """The state before any search has begun."""
        return cls(
            z=torch.zeros(count, latent_dim),
            loss=torch.full((count,), torch.inf),
            steps=torch.zeros(count, dtype=torch.int32),
            passes=torch.zeros(count, dtype=torch.int64),
            restart=torch.zeros(count, dtype=torch.int32),
            converged=torch.zeros(count, dtype=torch.bool),
            diverged=torch.zeros(count, dtype=torch.bool),
            kept_z=torch.full((count, kept, latent_dim), torch.nan),
            kept_loss=torch.full((count, kept), torch.nan),
        )

    def fill(self) -> None:
        """Fill the steps that a stopped search did not take with its best code."""
        missing = self.kept_z.isnan().all(2)
        self.kept_z[missing] = self.z[:, None].expand_as(self.kept_z)[missing]
        self.kept_loss[missing] = self.loss[:, None].expand_as(self.kept_loss)[missing]


@dataclass
class Batch:
    """The codes being searched for now, one per row, and the state of each search.

    A row that is done, or cannot go on by itself, waits until the host looks at it: the solver steps on
    through it, to no effect.
    """

    rows: Rows
    item: Tensor
    """The index of each row's search among all searches."""
    best_z: Tensor
    best_loss: Tensor
    mark: Tensor
    """The loss that the next improvement must beat."""
    marked: Tensor
    """The step at which it was reached."""
    passes: Tensor
    converged: Tensor
    diverged: Tensor
    finished: Tensor
    """(n,) bool: its search is done."""
    waits: Tensor
    """(n,) bool: its search is done, or goes on in full precision."""
    kept_z: Tensor
    """(n, k, d), see `Inversion`; NaN where a step was not taken."""
    kept_loss: Tensor
    state: State
    left: State = field(default_factory=dict)
    """Parts of the state, as they were when a row began to wait."""

    @classmethod
    def begin(cls, rows: Rows, item: Tensor, kept: int, state: State, needed: Collection[str]) -> "Batch":
        """Rows before their first step. kept: how many steps to keep. needed: the names in `left`."""
        z, zeros = rows.z, torch.zeros_like(rows.taken)
        infinite, no = torch.full_like(z[:, 0], torch.inf), zeros.bool()
        return cls(
            rows=rows,
            item=item,
            best_z=z.clone(),
            best_loss=infinite,
            mark=infinite.clone(),
            marked=zeros,
            passes=zeros.clone(),
            converged=no,
            diverged=no.clone(),
            finished=no.clone(),
            waits=no.clone(),
            kept_z=z.new_full((len(z), kept, z.shape[1]), torch.nan),
            kept_loss=z.new_full((len(z), kept), torch.nan),
            state=state,
            left={name: state[name].clone() for name in needed},
        )

    def __len__(self) -> int:
        return len(self.item)

    def __getitem__(self, where: Tensor) -> "Batch":
        own = {name: getattr(self, name)[where] for name in _OWN}
        states = ({name: each[where] for name, each in state.items()} for state in (self.state, self.left))
        return Batch(self.rows[where], **own, **dict(zip(("state", "left"), states, strict=True)))

    def put(self, places: Tensor, other: "Batch") -> None:
        """Replace the rows at these places with those of another batch."""
        self.rows.put(places, other.rows)
        for mine, theirs in (
            *((getattr(self, name), getattr(other, name)) for name in _OWN),
            *((self.state[name], other.state[name]) for name in self.state),
            *((self.left[name], other.left[name]) for name in self.left),
        ):
            mine[places] = theirs

    def keep(self, slot: Tensor, loss: Tensor) -> None:
        """Keep codes and losses at the requested steps. slot: (steps + 1,), the place of each step among
        them, or -1."""
        place = slot[self.rows.taken]
        asked = (place >= 0) & ~self.waits
        place = place.clamp_min(0)
        for kept, name, now in (
            (self.kept_z, "z", self.rows.z),
            (self.kept_loss, "loss", loss),
        ):
            latest = self.state.get(name, now).to(kept.dtype)[:, None]
            at = like(place, kept).expand_as(latest)
            kept.scatter_(1, at, torch.where(like(asked, kept), latest, kept.gather(1, at)))

    def update(self, step: Step, config: InversionConfig, searches: bool, mixed: bool) -> None:
        """Update the best iterates and which searches are done. searches: see `Solver`. mixed: whether rows
        may descend in low precision."""
        rows, loss, live = self.rows, step.loss, ~self.waits
        self.passes = self.passes + live * step.passes
        better = live & (loss < self.best_loss)
        self.best_loss = torch.where(better, loss, self.best_loss)
        self.best_z = torch.where(better[:, None], rows.z, self.best_z)
        improved = self.best_loss < self.mark * (1 - config.min_rel_delta)
        self.mark = torch.where(improved, self.best_loss, self.mark)
        self.marked = torch.where(improved, rows.taken, self.marked)
        stopped, full = self.best_loss <= config.tolerance, ~rows.low
        idle = torch.zeros_like(stopped) if step.stuck is None else step.stuck
        if config.patience:
            idle = idle | (rows.taken - self.marked >= config.patience)
        spent, broken = rows.taken + 1 >= config.steps, ~loss.isfinite()
        found = self.best_loss.isfinite()
        diverged = ~found & (idle | spent) if searches else broken & full
        converged = ((stopped | (idle & found)) & full) & ~diverged
        self.diverged = torch.where(live, diverged, self.diverged)
        self.converged = torch.where(live, converged, self.converged)
        self.finished = self.finished | (live & (converged | diverged | spent))
        waits = self.finished
        if mixed:
            last_low = min(LOW_SHARE * config.steps, config.steps - 1)  # at least one step is in float32
            switch = live & rows.low & (idle | broken | (rows.taken + 1 >= last_low))
            self._refine(switch, step)
            waits = waits | switch
        self._leave(waits, live)
        rows.z = torch.where(live[:, None], step.z, rows.z)
        rows.taken, rows.counter = rows.taken + live, rows.counter + live
        self.waits = self.waits | waits

    def _refine(self, switch: Tensor, step: Step) -> None:
        """Continue from the best code in full precision, where its loss is not yet known."""
        step.z = torch.where(switch[:, None], self.best_z, step.z)
        for name in ("best_loss", "mark"):
            setattr(self, name, getattr(self, name).masked_fill(switch, torch.inf))
        self.marked = torch.where(switch, self.rows.taken, self.marked)
        self.rows.low = self.rows.low & ~switch

    def _leave(self, waits: Tensor, live: Tensor) -> None:
        """Note the state of the rows that begin to wait."""
        for name, before in self.left.items():
            self.left[name] = torch.where(like(waits & live, before), self.state[name], before)

    def export(self, result: Inversion, places: Tensor) -> None:
        """Write the searches at these places to the result."""
        items = self.item[places].cpu()
        for values, name in (
            (self.best_z, "z"),
            (self.best_loss, "loss"),
            (self.rows.taken, "steps"),
            (self.passes, "passes"),
            (self.converged, "converged"),
            (self.diverged, "diverged"),
            (self.kept_z, "kept_z"),
            (self.kept_loss, "kept_loss"),
        ):
            into = getattr(result, name)
            into[items] = values[places].to("cpu", into.dtype)


_OWN = [each.name for each in fields(Batch) if each.name not in ("rows", "state", "left")]
