"""The batched inversion engine: descent on many codes at once, each with a life of its own.

An image leaves the batch as soon as it is done and a waiting one takes its place, so the batch stays full
until the last images. Memory is that of one batch; the number of images does not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from preimage.inversion.config import InversionConfig
from preimage.inversion.frozen import freeze
from preimage.inversion.solvers import State, make_solver


@dataclass(frozen=True)
class Inversion:
    """The codes found for n images, on the CPU.

    z: (n, d) float32, each image's best iterate; loss: (n,) float32 per pixel; steps: (n,) int32, generator
    evaluations (forward and backward) spent on it; converged: (n,) bool, whether it stopped of itself.
    """

    z: Tensor
    loss: Tensor
    steps: Tensor
    converged: Tensor


def invert(
    generator: nn.Module,
    images: Tensor,
    start: Tensor,
    config: InversionConfig | None = None,
    *,
    frozen: bool = False,
    advance: Callable[[int, int], None] | None = None,
) -> Inversion:
    """Find codes whose images are these (flexible-priors, Algorithm 1).

    generator: any module from codes (n, d) to images (n, C, H, W); images: (N, C, H, W); start: (N, d),
    where the search begins. `frozen` says that the generator comes from `freeze` already. `advance` is told
    how many images are done, and of how many.
    Raises ValueError where the generator's images are of another shape than these.
    """
    config = config or InversionConfig()
    network = generator if frozen else freeze(generator, start.device)
    _require_shape(network, images, start)
    names, step = make_solver(config)
    result = _empty(len(images), start.shape[1])
    batch = _Batch.begin(images, start, names, config.batch)
    done = 0
    while len(batch.row):
        loss, gradient = _evaluate(network, batch)
        finished, converged = batch.judge(loss, config)
        if finished.any():
            batch.deliver(result, finished, converged)
            done += int(finished.sum())
            if advance:
                advance(done, len(images))
        batch.z = step(batch.z, gradient, batch.taken, batch.state)
        batch.taken += 1
        if finished.any():
            batch.replace(finished, images, start)
    return result


def _evaluate(network: nn.Module, batch: "_Batch") -> tuple[Tensor, Tensor]:
    """The loss (n,) of each code, and the gradient (n, d) of their sum."""
    z = batch.z.detach().requires_grad_()
    loss = (network(z) - batch.target).square().flatten(1).mean(1)
    (gradient,) = torch.autograd.grad(loss.sum(), z)
    return loss.detach(), gradient


@dataclass
class _Batch:
    """The images being inverted now, one a row, and the number of the next one waiting."""

    row: Tensor
    target: Tensor
    z: Tensor
    taken: Tensor
    best_z: Tensor
    best_loss: Tensor
    mark: Tensor
    """The loss that the next improvement is measured against."""
    marked: Tensor
    """The step at which it was reached."""
    state: State = field(default_factory=dict)
    waiting: int = 0

    @classmethod
    def begin(cls, images: Tensor, start: Tensor, names: tuple[str, ...], size: int) -> "_Batch":
        rows = torch.arange(min(size, len(images)), device=start.device)
        state = {name: torch.zeros_like(start[rows]) for name in names}
        return cls(row=rows, **_fresh(images, start, rows), state=state, waiting=len(rows))

    def judge(self, loss: Tensor, config: InversionConfig) -> tuple[Tensor, Tensor]:
        """Keep the best iterates; say which images are done (n,), and which of them of themselves (n,)."""
        better = loss < self.best_loss
        self.best_loss = torch.where(better, loss, self.best_loss)
        self.best_z = torch.where(better[:, None], self.z, self.best_z)
        improved = self.best_loss < self.mark * (1 - config.improvement)
        self.mark = torch.where(improved, self.best_loss, self.mark)
        self.marked = torch.where(improved, self.taken, self.marked)
        converged = self.best_loss <= config.tolerance
        if config.patience:
            converged |= self.taken - self.marked >= config.patience
        return converged | (self.taken + 1 >= config.steps), converged

    def deliver(self, result: Inversion, finished: Tensor, converged: Tensor) -> None:
        rows = self.row[finished].cpu()
        result.z[rows] = self.best_z[finished].cpu()
        result.loss[rows] = self.best_loss[finished].cpu()
        result.steps[rows] = (self.taken[finished] + 1).int().cpu()
        result.converged[rows] = converged[finished].cpu()

    def replace(self, finished: Tensor, images: Tensor, start: Tensor) -> None:
        """Put waiting images in the finished ones' rows; without any left, make the batch smaller."""
        places = finished.nonzero().squeeze(1)
        fresh = torch.arange(
            self.waiting, min(self.waiting + len(places), len(images)), device=self.row.device
        )
        self.waiting += len(fresh)
        places, given_up = places[: len(fresh)], places[len(fresh) :]
        self.row[places] = fresh
        for name, value in _fresh(images, start, fresh).items():
            getattr(self, name)[places] = value
        for tensor in self.state.values():
            tensor[places] = 0
        if len(given_up):
            self._keep(torch.ones_like(finished).index_fill(0, given_up, False))

    def _keep(self, mask: Tensor) -> None:
        for name in ("row", "target", "z", "taken", "best_z", "best_loss", "mark", "marked"):
            setattr(self, name, getattr(self, name)[mask])
        self.state = {name: tensor[mask] for name, tensor in self.state.items()}


def _fresh(images: Tensor, start: Tensor, rows: Tensor) -> dict[str, Tensor]:
    """The columns of a batch for images that begin now."""
    z = start[rows]
    infinite = torch.full((len(rows),), torch.inf, device=z.device)
    none_yet = torch.zeros(len(rows), dtype=torch.int64, device=z.device)
    return {
        "target": images[rows.to(images.device)].to(z.device),
        "z": z,
        "taken": none_yet,
        "best_z": z.clone(),
        "best_loss": infinite,
        "mark": infinite.clone(),
        "marked": none_yet.clone(),
    }


def _empty(count: int, latent_dim: int) -> Inversion:
    return Inversion(
        z=torch.zeros(count, latent_dim),
        loss=torch.full((count,), torch.inf),
        steps=torch.zeros(count, dtype=torch.int32),
        converged=torch.zeros(count, dtype=torch.bool),
    )


def _require_shape(network: nn.Module, images: Tensor, start: Tensor) -> None:
    if len(images) != len(start):
        raise ValueError(f"{len(images)} images but {len(start)} codes to start from")
    if not len(images):
        return
    with torch.no_grad():
        made = network(start[:1])
    if made.shape[1:] != images.shape[1:]:
        raise ValueError(
            f"the generator makes images of shape {tuple(made.shape[1:])}, "
            f"these are {tuple(images.shape[1:])}"
        )
