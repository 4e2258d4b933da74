"""Complete an image of which a part is erased, while one watches.

Each completion is a code whose image agrees with the pixels that are seen. It minimises

    |seen pixels - seen pixels of G(z)|^2 / (2 noise) + |n - n_0|^2 / 2

by the engine's solver, n the standard normal noise behind the code z, n_0 that of its own start: a draw of the
prior, or the code of an image that agrees where it is seen. So what the seen pixels do not decide stays as
its start had it, and completions differ there. For a linear generator and starts drawn from the prior alone,
not chosen, that is the posterior's mean plus the part of each draw that was not seen. In general they are
points near modes of the posterior, not samples of it: how often one sees a digit says nothing of its
probability, and several may be the same one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from preimage.browsing.noise import FromNoise, Noise
from preimage.browsing.starts import level_noise, starts
from preimage.browsing.subject import Subject
from preimage.browsing.threads import quicker_count, threads
from preimage.data.image_shape import shape_text
from preimage.data.pixels import to_float, to_uint8
from preimage.errors import GeneratorError, InversionError
from preimage.float32 import float32_products
from preimage.inversion.batch import Batch
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine
from preimage.inversion.labels import generate
from preimage.inversion.measurements import Measurement, MeasurementConfig
from preimage.inversion.problem import Problem, Rows
from preimage.latents.priors import Normal

NOISE = 0.01
"""The variance of a pixel in [-1, 1] that no code explains, where no search has measured it."""
STEPS, EVERY = 60, 3
"""Steps of a search, and those between two looks at it."""


@dataclass(frozen=True, eq=False)
class Completions:
    """The completions as they are after some steps."""

    images: np.ndarray
    """(n, H, W, C) uint8: the generator's images, also where the image is seen."""
    errors: np.ndarray
    """(n,) float64: their root mean square error where it is seen, in grey levels of 0 to 255."""
    codes: np.ndarray
    """(n, d) float32"""
    labels: np.ndarray | None
    """(n,) int64: the classes that a conditional generator was given."""
    step: int
    done: bool


@dataclass(frozen=True)
class Anchored(Problem):
    """A problem whose rows are held to their starts."""

    anchors: Tensor | None = None
    """(n, d), of the rows in their order."""
    weight: float = 0.0

    def loss_and_gradient(self, rows: Rows) -> tuple[Tensor, Tensor]:
        loss, gradient = super().loss_and_gradient(rows)
        if self.anchors is None or not self.weight:
            return loss, gradient
        away = rows.z - self.anchors
        return loss + self.weight * away.square().sum(1), gradient + 2 * self.weight * away


def completions(
    subject: Subject,
    image: np.ndarray,
    mask: np.ndarray,
    count: int = 6,
    seed: int = 0,
    *,
    label: int | None = None,
    noise: float | None = None,
    prior: str | None = None,
) -> Iterator[Completions]:
    """Complete an image (H, W, C) uint8, better with each step; stop iterating, or close it, to cancel.

    mask: (H, W) bool, True where the image is erased. The first are the starts themselves. label: the image's
    class, for a conditional generator; None: that of each start. noise: the variance of a pixel in [-1, 1]
    that no code explains; None: the median loss of the codes found; 0: the seen pixels alone decide. prior:
    one of the subject's; None: its first. The same seed gives the same completions.
    Raises GeneratorError without a generator, InversionError if image or mask do not fit, before any step.
    """
    search = _Search.begin(subject, image, mask, count, seed, label, noise, prior)
    return search.run()


@dataclass(frozen=True, eq=False)
class _Search:
    engine: Engine
    problem: Anchored
    batch: Batch
    noise: Noise
    image: Tensor
    """(C, H, W) in [-1, 1]."""
    seen: Tensor
    """(H, W) bool."""
    threads: int

    @classmethod
    def begin(
        cls, subject: Subject, image: np.ndarray, mask: np.ndarray, count: int, seed: int,
        label: int | None, level: float | None, prior_name: str | None,
    ) -> "_Search":  # fmt: skip
        if subject.generator is None:
            raise GeneratorError(f"{subject.name} has no generator: nothing can complete an image")
        prior = subject.priors[prior_name or next(iter(subject.priors))]
        noise = Noise.of_prior(prior)
        target, seen = _seen(image, mask)
        shape = (target.shape[0], target.shape[1], target.shape[2])
        measurement = Measurement(shape, MeasurementConfig(), seed, seen[None, None])
        network = FromNoise(subject.generator, noise)
        config = InversionConfig(solver="lbfgs", steps=STEPS, init_codes="prior")
        with threads(1):
            normal = Normal(prior.latent_dim)
            engine = Engine(
                network, config, normal, measurement, seed, torch.device("cpu"), True, images=count
            )
            made, own = engine.problem.network, engine.classes
            generator = made.get_submodule("generator")
            first, labels = starts(subject, generator, noise, prior, target, seen, count, own, label, seed)
        many = quicker_count(lambda: _made(made, first[:1], None if labels is None else labels[:1]))
        level = level if level is not None else level_noise(subject)
        level = NOISE if level is None else level
        values = int(seen.sum()) * shape[0]
        problem = Anchored(
            made, engine.problem.origin, measurement, engine.problem.compare, None, first, level / values
        )
        rows = _rows(first, labels, target, seen)
        batch = Batch.begin(rows, torch.arange(len(first)), 0, engine.solver.begin(rows.z), ())
        return cls(engine, problem, batch, noise, target, seen, many)

    def run(self) -> Iterator[Completions]:
        step = 0
        while True:
            done = bool(self.batch.finished.all())
            yield self._now(step, done)
            if done:
                return
            with threads(self.threads):
                for _ in range(EVERY):
                    self._step()
            step += EVERY

    @torch.enable_grad()
    @float32_products("ieee")
    def _step(self) -> None:
        step = self.engine.solver.step(self.problem, self.batch.rows, self.batch.state)
        self.batch.update(step, self.engine.config, self.engine.solver.searches, False)

    def _now(self, step: int, done: bool) -> Completions:
        z, labels = self.batch.best_z, self.batch.rows.labels
        with threads(self.threads):
            made = _made(self.problem.network, z, labels)
        error = ((made.clamp(-1, 1) - self.image) * self.seen).double().square().flatten(1).sum(1)
        values = int(self.seen.sum()) * self.image.shape[0]
        return Completions(
            images=to_uint8(made).permute(0, 2, 3, 1).contiguous().numpy(),
            errors=127.5 * (error / values).sqrt().numpy(),
            codes=self.noise.codes(z).numpy(),
            labels=None if labels is None else labels.numpy(),
            step=step,
            done=done,
        )


def _seen(image: np.ndarray, mask: np.ndarray) -> tuple[Tensor, Tensor]:
    """An image (C, H, W) in [-1, 1], and where it is seen, (H, W) bool."""
    if image.ndim != 3 or image.dtype != np.uint8:
        raise InversionError(f"an image is (H, W, C) uint8, but this is {image.shape} {image.dtype}")
    if mask.shape != image.shape[:2]:
        raise InversionError(
            f"the mask is {shape_text(mask.shape)}, but the image {shape_text(image.shape[:2])}"
        )
    seen = torch.from_numpy(~mask.astype(bool))
    if not bool(seen.any()):
        raise InversionError("all of the image is erased: leave some pixels to complete it from")
    return to_float(torch.from_numpy(image.transpose(2, 0, 1).copy())), seen


def _rows(first: Tensor, labels: Tensor | None, target: Tensor, seen: Tensor) -> Rows:
    """One row for each start."""
    n = len(first)
    zeros = torch.zeros(n, dtype=torch.int64)
    return Rows(
        z=first.clone(),
        target=(target * seen).expand(n, *target.shape),
        mask=seen.float().expand(n, 1, *seen.shape),
        count=torch.full((n,), float(int(seen.sum()) * target.shape[0])),
        ids=torch.arange(n),
        counter=zeros,
        taken=zeros.clone(),
        low=torch.zeros(n, dtype=torch.bool),
        labels=labels,
    )


@torch.no_grad()
@float32_products("ieee")
def _made(network: torch.nn.Module, noise: Tensor, labels: Tensor | None) -> Tensor:
    return generate(network, noise, labels).float()
