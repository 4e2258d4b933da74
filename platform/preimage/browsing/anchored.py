"""A batch of searches that the prior holds to their starts, and that one can look at between two steps."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from preimage.float32 import float32_products
from preimage.inversion.batch import Batch
from preimage.inversion.engine import Engine
from preimage.inversion.problem import Problem, Rows


@dataclass(frozen=True)
class Anchored(Problem):
    """A problem whose rows pay for the way from their starts: `weight` times its squared length."""

    anchors: Tensor | None = None
    """(n, d), of the rows in their order."""
    weight: float = 0.0

    def loss_and_gradient(self, rows: Rows) -> tuple[Tensor, Tensor]:
        loss, gradient = super().loss_and_gradient(rows)
        if self.anchors is None or not self.weight:
            return loss, gradient
        away = rows.z - self.anchors
        return loss + self.weight * away.square().sum(1), gradient + 2 * self.weight * away


@dataclass(frozen=True)
class Searches:
    """n searches, each in its row."""

    engine: Engine
    problem: Anchored
    batch: Batch

    @classmethod
    def begin(
        cls,
        engine: Engine,
        starts: Tensor,
        labels: Tensor | None,
        target: Tensor,
        seen: Tensor,
        weight: float,
    ) -> "Searches":
        """From starts (n, d), for an image (C, H, W) of which some pixels are seen, (H, W) bool."""
        rows, own = _rows(starts, labels, target, seen), engine.problem
        problem = Anchored(own.network, own.origin, own.measurement, own.compare, None, starts, weight)
        return cls(engine, problem, Batch.begin(rows, rows.ids.clone(), 0, engine.solver.begin(rows.z), ()))

    def __getitem__(self, rows: Tensor) -> "Searches":
        anchors = self.problem.anchors
        problem = replace(self.problem, anchors=None if anchors is None else anchors[rows])
        return Searches(self.engine, problem, self.batch[rows])

    @property
    def done(self) -> bool:
        return bool(self.batch.finished.all())

    @torch.enable_grad()
    @float32_products("ieee")
    def step(self) -> None:
        """One step of each search that is not done."""
        solver, batch = self.engine.solver, self.batch
        batch.update(solver.step(self.problem, batch.rows, batch.state), self.engine.config, True, False)


def _rows(starts: Tensor, labels: Tensor | None, target: Tensor, seen: Tensor) -> Rows:
    n = len(starts)
    zeros = torch.zeros(n, dtype=torch.int64)
    return Rows(
        z=starts.clone(),
        target=(target * seen).expand(n, *target.shape),
        mask=seen.float().expand(n, 1, *seen.shape),
        count=torch.full((n,), float(int(seen.sum()) * len(target))),
        ids=torch.arange(n),
        counter=zeros,
        taken=zeros.clone(),
        low=zeros.bool(),
        labels=labels,
    )
