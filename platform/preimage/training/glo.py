"""GLO as an algorithm: a generator and one code per image, both learned by descent on the reconstruction loss
(Bojanowski et al. 2018; glo, section 2)."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from preimage.data.pixels import to_float
from preimage.latents.priors import Gaussian, project
from preimage.latents.statistics import Moments
from preimage.models.config import DcganConfig
from preimage.models.dcgan import build_pair
from preimage.models.pca import principal_components
from preimage.random_streams import Stream, normal
from preimage.training.algorithm import AlgorithmContext, OwnCodes
from preimage.training.config import CodesConfig, OptimizerConfig
from preimage.training.glo_losses import GLO_LOSSES
from preimage.training.networks import Networks, fixed_samples
from preimage.training.precision import upcast

CHUNK = 1024
"""Images at a time for principal components."""


class GloAlgorithm:
    """The codes are rows of a table beside this worker's images, on its device, and never leave it: only the
    generator's gradient is averaged over workers, and a step changes only the batch's rows."""

    def __init__(
        self,
        context: AlgorithmContext,
        model: DcganConfig,
        loss: str,
        codes: CodesConfig,
        optimizer: OptimizerConfig,
    ) -> None:
        """loss: one of GLO_LOSSES."""
        self.worker, self.images, self.seed = context.worker, context.images, context.seed
        self.config = codes
        self.loss = GLO_LOSSES[loss].for_images(context.images.pixels.shape[1:], self.worker.device)
        self.generator, _ = build_pair(model, context.seed)
        self.networks = Networks(context, {"generator": self.generator}, optimizer)
        count = len(context.images.image_id)
        self.table = torch.zeros(count, model.latent_dim, device=self.worker.device)

    def begin(self) -> None:
        """Set the initial codes: the images' PCA scores, or random.

        PCA's scores of images in [-1, 1] have norms of ten and more, and would all be projected onto the
        sphere: they are divided by the root of their mean squared norm, and whitened ones first by their
        standard deviations. Random codes are drawn from N(0, I / d). Either way their mean squared norm is 1
        before the projection onto the ball.
        """
        d = self.table.shape[1]
        if self.config.init == "random":
            codes = normal(Stream.GLO_CODES.seed(self.seed), self.images.image_id, 0, d) / d**0.5
        else:
            found = principal_components(self._batches, d, seed=self.seed, reduce=self.worker.sum)
            scores = torch.cat([found.scores(some) for some in self._batches()])
            whitened = self.config.init == "pca-whitened"
            squares = d * found.variances if whitened else found.variances.sum()
            codes = scores / squares.clamp_min(1e-12).sqrt().to(scores)
        self.table.copy_(project(codes))

    def _batches(self) -> Iterator[Tensor]:
        """This worker's images, in batches."""
        for some in self.images.pixels.split(CHUNK):
            yield to_float(some.to(self.worker.device))

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """One step of both, from one gradient (glo, eq. 1).

        The generator descends on the mean loss over all workers' batch, each code on its own image's loss:
        its step does not depend on the batch size. Then the codes are projected.
        """
        codes = self.table[rows].requires_grad_()
        with self.networks.autocast():
            made = self.networks["generator"](codes)
        values = torch.full((len(images),), float(images[0].numel()), device=images.device)
        loss = self.loss(upcast(made), images, values)
        self.networks.backward(loss.mean(), ["generator"])
        assert codes.grad is not None
        each = len(rows) / self.networks.weight
        slope = codes.grad * each  # the gradient of each image's own loss, not of the mean
        mean, moved = loss.detach().mean(), codes.detach() - self.config.lr * slope
        self.networks.step(["generator"], number, {"loss": mean}, {"codes' step": moved.norm()})
        moved = self.networks.unless_skipped(project(moved), codes.detach())
        self.table[rows] = moved
        return {"loss": mean, "code_norm": moved.norm(dim=1).mean()}

    def require_finite(self) -> None:
        self.networks.require_finite()

    def replicated_state(self) -> dict[str, Any]:
        return self.networks.state()

    def load_replicated_state(self, state: dict[str, Any]) -> None:
        self.networks.load(state)

    def sharded_state(self) -> dict[str, Any]:
        return {"codes": self.table}

    def load_sharded_state(self, state: dict[str, Any]) -> None:
        self.table.copy_(state["codes"])

    def samples(self, count: int) -> Tensor:
        """Samples of the Gaussian fitted to this worker's current codes (glo, section 3.3.2)."""
        prior = Gaussian.fit(Moments.empty(self.table.shape[1]).update(self.table), "ball")
        return fixed_samples(self.generator, prior, self.seed, count)

    def codes(self) -> OwnCodes:
        return OwnCodes(self.table, learned=True)
