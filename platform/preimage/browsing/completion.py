"""Complete an image of which a part is erased, while one watches.

Each completion is a code whose image agrees with the pixels that are seen. The engine's solver minimises

    |seen pixels - seen pixels of G(z)|^2 / (2 noise) + |n - n_0|^2 / 2

with n the standard normal noise behind the code z, n_0 that of its start: a draw of the prior, or the code
of an image that agrees where it is seen. So what the seen pixels do not decide stays as the start had it, and
completions differ there. Of a linear generator it finds, from a start that was drawn and not chosen, the
posterior's mean plus what of the draw no pixel shows. In general completions are points near the posterior's
modes, not samples of it: they are chosen to differ, so how often one sees a digit says nothing of its
probability.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import numpy as np
import torch
from torch import Tensor, nn

from preimage.browsing.anchored import Searches
from preimage.browsing.noise import FromNoise, Noise
from preimage.browsing.samples import prior_of
from preimage.browsing.starts import LARGE, level_noise, most_different, starts
from preimage.browsing.subject import Subject
from preimage.browsing.threads import quicker_count, threads
from preimage.data.image_shape import shape_text
from preimage.data.pixels import to_float, to_uint8
from preimage.errors import GeneratorError, InversionError
from preimage.float32 import float32_products
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine
from preimage.inversion.labels import generate
from preimage.inversion.measurements import Measurement, MeasurementConfig
from preimage.latents.priors import Normal, Prior

NOISE = 0.01
"""The variance of a pixel in [-1, 1] that no code explains, where no search has measured it."""
STEPS, EVERY = 60, 3
"""Steps of a search, and those between two looks at it."""
PATIENCE = 0.5
"""Seconds of steps after which one looks anyway: slow networks are seen at each step."""
TRIED, SCREENED = 4, 15
"""Starts for each completion, one where codes have more than `LARGE` components, and the steps after which
the best that differ go on alone."""
GOOD = 2.0
"""A search whose loss is at most so many times the median of the best is good enough to be chosen for
being different."""


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


@dataclass(frozen=True, eq=False)
class Erased:
    """An image, and what is seen of it."""

    image: Tensor
    """(C, H, W) in [-1, 1]."""
    seen: Tensor
    """(H, W) bool."""

    @classmethod
    def of(cls, image: np.ndarray, mask: np.ndarray) -> "Erased":
        """Raises InversionError if these do not fit together, or nothing is seen."""
        if image.ndim != 3 or image.dtype != np.uint8:
            raise InversionError(f"an image is (H, W, C) uint8, but this is {image.shape} {image.dtype}")
        if mask.shape != image.shape[:2]:
            raise InversionError(
                f"the mask is {shape_text(mask.shape)}, but the image {shape_text(image.shape[:2])}"
            )
        seen = torch.from_numpy(~mask.astype(bool))
        if not bool(seen.any()):
            raise InversionError("all of the image is erased: leave some pixels to complete it from")
        return cls(to_float(torch.from_numpy(image.transpose(2, 0, 1).copy())), seen)

    @property
    def values(self) -> int:
        """How many numbers are seen."""
        return int(self.seen.sum()) * len(self.image)

    def errors(self, made: Tensor) -> Tensor:
        """(n,) float64, mean squared, of images (n, C, H, W) where this one is seen."""
        apart = (made.clamp(-1, 1) - self.image) * self.seen
        return apart.double().square().flatten(1).sum(1) / self.values


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

    mask: (H, W) bool, True where the image is erased. count: how many, or fewer if there are fewer starts.
    Some steps after the beginning, which shows starts, they are chosen anew among more searches. label: the
    image's class, for a conditional generator; None: that of each start. noise: the variance of a pixel in
    [-1, 1] that no code explains; None: the median loss of the codes found; 0: the seen pixels alone decide.
    prior: one of the subject's; None: its first. The same seed gives the same completions.
    Raises GeneratorError without a generator, PriorError without such a prior, InversionError if image and
    mask do not fit; all before the first step.
    """
    if subject.generator is None:
        raise GeneratorError(f"{subject.name} has no generator: nothing can complete an image")
    erased, own = Erased.of(image, mask), prior_of(subject, prior)
    level = noise if noise is not None else level_noise(subject)
    level = NOISE if level is None else level
    tried = count if own.latent_dim > LARGE else TRIED * count
    with threads(1):
        engine, behind = _engine(subject.generator, own, erased, seed, count)
        first, labels = starts(
            subject, engine.problem.network, behind, own, erased.image, erased.seen,
            tried, engine.classes, label, seed,
        )  # fmt: skip
    searches = Searches.begin(engine, first, labels, erased.image, erased.seen, level / erased.values)
    return _watched(searches, behind, erased, count)


def _engine(
    generator: nn.Module, prior: Prior, erased: Erased, seed: int, count: int
) -> tuple[Engine, Noise]:
    channels, height, width = erased.image.shape
    mask = erased.seen[None, None]
    measurement = Measurement((channels, height, width), MeasurementConfig(), seed, mask)
    large = prior.latent_dim > LARGE  # to measure the whitening would take longer than it saves
    config = InversionConfig(solver="lbfgs", steps=STEPS, init_codes="prior", whiten=not large)
    behind = Noise.of_prior(prior)
    normal, cpu = Normal(prior.latent_dim), torch.device("cpu")
    network = FromNoise(generator, behind)
    return Engine(network, config, normal, measurement, seed, cpu, started=True, images=count), behind


def _watched(searches: Searches, behind: Noise, erased: Erased, count: int) -> Iterator[Completions]:
    network, labels = searches.problem.network, searches.batch.rows.labels
    first = searches.batch.rows.z[:1], None if labels is None else labels[:1]
    many = quicker_count(lambda: _made(network, *first))
    step = 0
    while True:
        with threads(many):
            made = _made(network, searches.batch.best_z, searches.batch.rows.labels)
        shown = _chosen(searches, made, erased, count)
        if step >= SCREENED and len(shown) < len(made):
            searches, made, shown = searches[shown], made[shown], torch.arange(len(shown))
        yield _completions(searches[shown], made[shown], behind, erased, step)
        if searches.done:
            return
        with threads(many):
            step += _steps(searches)


def _steps(searches: Searches) -> int:
    """How many steps it has taken, until it is time to look. When one looks changes no result."""
    began = monotonic()
    for taken in range(1, EVERY + 1):
        searches.step()
        if monotonic() - began > PATIENCE:
            return taken
    return EVERY


def _chosen(searches: Searches, made: Tensor, erased: Erased, count: int) -> Tensor:
    """The rows (count,) of good searches that differ most where the image is erased, in their order."""
    if len(made) <= count:
        return torch.arange(len(made))
    loss = searches.batch.best_loss
    if not bool(loss.isfinite().any()):
        loss = erased.errors(made)
    order = loss.argsort(stable=True)
    good = int((loss <= GOOD * loss[order[count // 2]]).sum())
    some = order[: max(good, count)]
    return some[most_different((made * ~erased.seen)[some].flatten(1), count)].sort().values


def _completions(searches: Searches, made: Tensor, behind: Noise, erased: Erased, step: int) -> Completions:
    labels = searches.batch.rows.labels
    return Completions(
        images=to_uint8(made).permute(0, 2, 3, 1).contiguous().numpy(),
        errors=127.5 * erased.errors(made).sqrt().numpy(),
        codes=behind.codes(searches.batch.best_z).numpy(),
        labels=None if labels is None else labels.numpy(),
        step=step,
        done=searches.done,
    )


@torch.no_grad()
@float32_products("ieee")
def _made(network: nn.Module, noise: Tensor, labels: Tensor | None) -> Tensor:
    return generate(network, noise, labels).float()
