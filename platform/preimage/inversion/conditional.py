"""Conditional generation: many images that agree with the observed part of one (glo, section 3.3.5).

Each draw starts from its own code of the Gaussian fitted to the codes, and descends on the observed part
alone. It descends in the noise n ~ N(0, I) behind a code, z = mean + root n. So no draw leaves the ball that
codes may be projected onto, and a draw hardly moves along directions in which codes hardly vary. Noise that
the observation does not depend on stays as drawn. For a linear generator observed as y = A z, gradients lead
to n + (A root)^+ (y - A (mean + root n)): exactly the Gaussian's draws conditioned on y.

Which solver: one that stays near its start. Measured on a PCA and two small autoencoders of clothes (32
pixels, d = 32) and on a GAN of digits (16 pixels, d = 20), with eight draws of four images, to a loss of
5e-5. The columns are the median relative error, the spread of the draws relative to that without a
condition, and the noise's distance from zero, |n|^2 / d, which is 1 for a draw.

    averages over 8 x 8 pixels   momentum 1, 1000 steps           1.2e-4 to 3.1e-4   39 to 76%    1.0 to 2.0
                                 gradient descent 4, 1000 steps   1.1e-4 to 5.5e-4   42 to 76%    1.1 to 1.6
                                 Adam 0.02, 500 steps             1.2e-4 to 3.1e-4   55 to 108%   1.2 to 4.2
                                 lbfgs, 60 steps                  0.9e-4 to 2.4e-4   40 to 84%    1.1 to 174
    the upper half               momentum 1, 1000 steps           0.007 to 0.052     14 to 29%    1.4 to 3.3
                                 gradient descent 4, 1000 steps   0.007 to 0.055     23 to 36%    1.3 to 2.4
                                 Adam 0.02, 500 steps             0.009 to 0.058     50 to 68%    1.3 to 3.0
                                 lbfgs, 60 steps                  0.007 to 0.050     4 to 31%     1.7 to 5.4

Adam moves what it need not (PCA's draws end further apart than they began), lbfgs takes leaps, and gradient
descent is the slowest: on a PCA of photographs (d = 100) it ends at 3.4e-3, momentum at 2.2e-3. No generator
here can reproduce a half exactly, and the longer a search runs, the more alike its draws become. If more
values are observed than a code has, here averages over 4 x 4 or 2 x 2 pixels, draws that agree keep at most a
quarter of the spread. For a linear generator momentum is stable with a learning rate below 1.9 / v, v the
mean variance of the observed values: for images in [-1, 1] a rate of 1 is always stable.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from preimage.float32 import float32_products
from preimage.inversion.config import InversionConfig, require_own_starts
from preimage.inversion.engine import invert
from preimage.inversion.labels import classes_of, generate
from preimage.inversion.loop import OnProgress
from preimage.inversion.measurements import Measurement
from preimage.latents.priors import Gaussian, Normal, Support
from preimage.random_streams import Stream, normal


class FromNoise(nn.Module):
    """A generator as a function of the standard normal noise (n, d) behind a Gaussian's codes."""

    mean: Tensor
    root: Tensor

    def __init__(self, generator: nn.Module, prior: Gaussian) -> None:
        super().__init__()
        self.generator = generator
        self.support: Support = prior.support
        self.classes = classes_of(generator)
        self.register_buffer("mean", prior.mean)
        self.register_buffer("root", prior.root)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        return generate(self.generator, Gaussian(self.mean, self.root, self.support).of(noise), labels)


@dataclass(frozen=True)
class Conditional:
    """Codes drawn for N images, r for each, on the CPU."""

    z: Tensor
    """(N, r, d)."""
    start: Tensor
    """(N, r, d), the codes that the searches started from: unconditional draws."""
    diverged: Tensor
    """(N, r) bool, whether a search met a non-finite loss."""


def conditional(
    generator: nn.Module,
    images: Tensor,
    prior: Gaussian,
    measurement: Measurement,
    config: InversionConfig,
    draws: int,
    ids: Tensor | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    labels: Tensor | None = None,
) -> Conditional:
    """Draw codes whose images agree with what the measurement observes of these.

    images: (N, C, H, W), or already measured. prior: fitted to the generator's codes. draws: how many per
    image. ids: (N,) int64, determine each image's draws and random measurement; default: the row numbers.
    labels: (N,), the images' classes, for a conditional generator.
    Raises InversionError like `invert`, and for a config with other starts or a constraint.
    """
    require_own_starts(config)
    ids = torch.arange(len(images)) if ids is None else ids.cpu()
    dim, device = prior.latent_dim, next(generator.parameters()).device
    noise = normal(Stream.CONDITIONAL_CODES.seed(seed), ids, 0, draws * dim).view(-1, dim)
    found = invert(
        FromNoise(generator, prior),
        images.repeat_interleave(draws, 0),
        noise.to(device),
        config,
        prior=Normal(dim),
        measurement=measurement,
        labels=None if labels is None else labels.repeat_interleave(draws),
        ids=ids.repeat_interleave(draws),
        seed=seed,
        on_progress=on_progress,
    )
    shape = len(images), draws
    codes, first = (prior.of(each).unflatten(0, shape) for each in (found.z, noise))
    return Conditional(codes, first, found.diverged.unflatten(0, shape))


def relative_error(measurement: Measurement, made: Tensor, images: Tensor, ids: Tensor) -> Tensor:
    """|P(made) - P(image)|^2 / |P(image)|^2, (N, r), P the measurement (glo, figure 7).

    made: (N, r, C, H, W), images: (N, C, H, W) in [-1, 1], ids: (N,) int64.
    """
    target = measurement.observe(images, ids)[:, None]
    error = seen(measurement, made, ids) - target
    return error.square().sum((2, 3, 4)) / target.square().sum((2, 3, 4))


def spread(measurement: Measurement, made: Tensor, ids: Tensor) -> Tensor:
    """How much r >= 2 images (N, r, C, H, W) vary in their unobserved part: the standard deviation over the
    r, averaged over pixels, (N,). Measured on the images minus their observed part."""
    shown = seen(measurement, made, ids)
    shown = F.interpolate(shown.flatten(0, 1), made.shape[3:]).view_as(made)
    return (made - shown).std(1).mean((1, 2, 3))


@float32_products("ieee")
def seen(measurement: Measurement, made: Tensor, ids: Tensor) -> Tensor:
    """The observed part of images (N, r, C, H, W), without noise: (N, r, C, h, w), zero where hidden."""
    reduced = measurement.reduce(made.flatten(0, 1)).unflatten(0, made.shape[:2])
    mask = measurement.masks(ids)
    return reduced if mask is None else reduced * mask[:, None]
