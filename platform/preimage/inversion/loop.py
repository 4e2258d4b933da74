"""The loop of the searches: steps of a batch, and now and then a look at which rows are done.

A look waits for the device, so on a GPU several steps lie between two. It changes no result: a row stays as
it was when it was done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from preimage.inversion.batch import Batch, Inversion
from preimage.inversion.config import InversionConfig
from preimage.inversion.constraints import EDGE, redrawn
from preimage.inversion.problem import Problem, Rows
from preimage.inversion.solvers import Solver, State

LOOK_EVERY = 8
"""Steps between two looks on a GPU: a row that is done waits for half as many on average."""

OnProgress = Callable[[int, int], None]
"""Called with the number of images done, and of all images."""


@dataclass(frozen=True)
class Loop:
    """What all searches of an engine have in common."""

    problem: Problem
    solver: Solver
    config: InversionConfig
    seed: int
    look_every: int = 1
    """Steps between two looks."""

    def run(
        self,
        begin: Callable[[Tensor], Rows],
        count: int,
        batch_size: int,
        keep: Sequence[int] = (),
        on_progress: OnProgress | None = None,
    ) -> Inversion:
        """Make `count` searches. begin: from their numbers (n,) to their rows before the first step."""

        def fresh(items: Tensor) -> Batch:
            rows = begin(items)
            state = self.solver.begin(rows.z)
            return Batch.begin(rows, items.to(rows.z.device), len(keep), state, self._needed(state))

        batch = fresh(torch.arange(min(batch_size, count)))
        slot = torch.full((self.config.steps + 1,), -1, device=batch.item.device)
        slot[torch.tensor(keep, dtype=torch.int64)] = torch.arange(len(keep), device=slot.device)
        result = Inversion.empty(count, batch.best_z.shape[1], len(keep))
        waiting, done = len(batch), 0
        while len(batch):
            for _ in range(self.look_every):
                self._step(batch, slot if keep else None)
            places = self._look(batch)
            if not len(places):
                continue
            batch.export(result, places)
            done += len(places)
            if on_progress:
                on_progress(done, count)
            items = torch.arange(waiting, min(waiting + len(places), count))
            waiting += len(items)
            if len(items):
                batch.put(places[: len(items)], fresh(items))
            if len(items) < len(places):
                stays = torch.ones_like(batch.finished).index_fill(0, places[len(items) :], False)
                batch = batch[stays.nonzero()[:, 0]]  # a mask would wait for the device once a tensor
        if keep:
            result.fill()
        return result

    @property
    def _redraws(self) -> bool:
        return self.solver.searches and self.config.constraint == "stochastic-clip"

    @property
    def _mixed(self) -> bool:
        return self.problem.low is not None and not self.solver.searches

    def _needed(self, state: State) -> list[str]:
        """What a row that goes on after it waited needs of its state."""
        return [*state] if self._mixed else ["z"] if self._redraws else []

    def _step(self, batch: Batch, slot: Tensor | None) -> None:
        step = self.solver.step(self.problem, batch.rows, batch.state)
        if slot is not None:
            batch.keep(slot, step.loss)
        batch.update(step, self.config, self.solver.searches, self._mixed)

    def _look(self, batch: Batch) -> Tensor:
        """Let the rows go on that can; the places (m,) of those that are done."""
        places = batch.waits.nonzero()[:, 0]
        if not len(places):
            return places
        if self._mixed:
            self._refine(batch, places)
        if self._redraws:
            self._redraw(batch, places)
        return places[batch.finished[places]]

    def _refine(self, batch: Batch, places: Tensor) -> None:
        """Go on in full precision."""
        for name, state in batch.state.items():
            state[places] = batch.left[name][places]
        batch.waits = batch.finished.clone()
        batch.rows.look()

    def _redraw(self, batch: Batch, places: Tensor) -> None:
        """If a search is stuck on the box's edge, redraw those components and go on."""
        rows, z = batch.rows, batch.left["z"][places]
        edge = z.abs() >= EDGE
        again = edge.any(1) & (batch.best_loss[places] > self.config.tolerance) & ~batch.diverged[places]
        again &= rows.taken[places] < self.config.steps
        places, z, edge = places[again], z[again], edge[again]
        if not len(places):
            return
        z = redrawn(z, edge, self.seed, rows.ids[places], rows.counter[places] - 1)
        for name, fresh in self.solver.begin(z).items():
            batch.state[name][places] = fresh
        rows.z[places], batch.mark[places] = z, torch.inf
        batch.waits[places] = batch.finished[places] = False
