"""What is searched for, the codes on their way, and the results of the searches that are done."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from preimage.inversion.config import InversionConfig
from preimage.inversion.problem import Rows
from preimage.inversion.solvers import Solver, State, Step

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
    """The codes being searched for now, one per row, and the state of each search."""

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
    state: State

    def __len__(self) -> int:
        return len(self.item)

    def __getitem__(self, where: Tensor) -> "Batch":
        own = {f.name: getattr(self, f.name)[where] for f in fields(self) if f.name != "state"}
        return Batch(**own, state={name: tensor[where] for name, tensor in self.state.items()})

    def put(self, places: Tensor, other: "Batch") -> None:
        """Replace some rows with those of another batch."""
        for mine, theirs in (
            *((vars(self)[name], vars(other)[name]) for name in vars(self) if name not in ("rows", "state")),
            *((vars(self.rows)[name], vars(other.rows)[name]) for name in vars(self.rows)),
            *((self.state[name], other.state[name]) for name in self.state),
        ):
            if mine is not None:
                mine[places] = theirs

    def keep(self, result: Inversion, slot: Tensor, loss: Tensor) -> None:
        """Record codes and losses at the requested steps."""
        at = slot[self.rows.taken.cpu()]
        where = (at >= 0).nonzero().squeeze(1)
        items = self.item.cpu()[where]
        result.kept_z[items, at[where]] = self.state.get("z", self.rows.z).cpu()[where]
        result.kept_loss[items, at[where]] = self.state.get("loss", loss).float().cpu()[where]

    def update(self, step: Step, config: InversionConfig, searches: bool) -> Tensor:
        """Update the best iterates, and return which searches are done: (n,) bool."""
        rows, loss = self.rows, step.loss
        self.passes += step.passes
        better = loss < self.best_loss
        self.best_loss = torch.where(better, loss, self.best_loss)
        self.best_z = torch.where(better[:, None], rows.z, self.best_z)
        improved = self.best_loss < self.mark * (1 - config.min_rel_delta)
        self.mark = torch.where(improved, self.best_loss, self.mark)
        self.marked = torch.where(improved, rows.taken, self.marked)
        stopped = (self.best_loss <= config.tolerance) & ~rows.low
        idle = torch.zeros_like(stopped) if step.stuck is None else step.stuck
        if config.patience:
            idle = idle | (rows.taken - self.marked >= config.patience)
        spent = rows.taken + 1 >= config.steps
        broken = ~loss.isfinite() & ~rows.low
        last_low = min(LOW_SHARE * config.steps, config.steps - 1)  # at least one step is in float32
        self._refine(rows.low & (idle | ~loss.isfinite() | (rows.taken + 1 >= last_low)), step)
        self.converged = stopped | (idle & ~rows.low & self.best_loss.isfinite())
        self.diverged = ~self.best_loss.isfinite() & (idle | spent) if searches else broken
        self.converged &= ~self.diverged
        return self.converged | self.diverged | spent

    def _refine(self, switch: Tensor, step: Step) -> None:
        """Continue from the best code in full precision, where its loss is not yet known."""
        if switch.any():
            step.z = torch.where(switch[:, None], self.best_z, step.z)
            for name in ("best_loss", "mark"):
                setattr(self, name, getattr(self, name).masked_fill(switch, torch.inf))
            self.marked = torch.where(switch, self.rows.taken, self.marked)
            self.rows.low = self.rows.low & ~switch

    def advance(self, step: Step, redrawn: Tensor | None, solver: Solver) -> None:
        """Move to the next step's codes; `redrawn` (n, d) replaces rows, NaN keeps them."""
        self.rows.z = step.z
        self.rows.taken = self.rows.taken + 1
        self.rows.counter = self.rows.counter + 1
        if redrawn is None:
            return
        where = (~redrawn.isnan()).all(1)
        self.rows.z = torch.where(where[:, None], redrawn, self.rows.z)
        self.mark = self.mark.masked_fill(where, torch.inf)
        fresh = solver.begin(self.rows.z)
        for name, tensor in self.state.items():
            tensor[where] = fresh[name][where]

    def export(self, result: Inversion, finished: Tensor) -> None:
        """Write the finished rows to the result."""
        items = self.item[finished].cpu()
        result.z[items] = self.best_z[finished].cpu()
        result.loss[items] = self.best_loss[finished].cpu()
        result.steps[items] = self.rows.taken[finished].int().cpu()
        result.passes[items] = self.passes[finished].cpu()
        result.converged[items] = self.converged[finished].cpu()
        result.diverged[items] = self.diverged[finished].cpu()
