"""A deep convolutional autoencoder as an algorithm (Masci et al. 2011; glo, section 3.1)."""

from typing import Any

import torch
from torch import Tensor

from preimage.data.pixels import to_float
from preimage.latents.priors import Gaussian
from preimage.latents.statistics import Moments
from preimage.models.config import DcganConfig
from preimage.models.dcgan import build_autoencoder
from preimage.training.algorithm import AlgorithmContext, OwnCodes
from preimage.training.config import OptimizerConfig
from preimage.training.networks import Networks, fixed_samples
from preimage.training.precision import upcast

CHUNK, ENOUGH = 256, 4096
"""Images to encode at a time, and how many suffice to fit a Gaussian for a grid of samples."""


class AutoencoderAlgorithm:
    """An encoder from images to codes and the generator as its decoder; nothing constrains the codes."""

    def __init__(self, context: AlgorithmContext, model: DcganConfig, optimizer: OptimizerConfig) -> None:
        self.worker, self.pixels, self.seed = context.worker, context.images.pixels, context.seed
        self.encoder, self.generator = build_autoencoder(model, context.seed)
        pair = {"encoder": self.encoder, "generator": self.generator}
        self.networks = Networks(context, pair, optimizer)

    def begin(self) -> None:
        """Nothing to do: the weights come from the seed."""

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        """One step of encoder and decoder on the mean squared error per pixel."""
        with self.networks.autocast():
            codes = self.networks["encoder"](images)
            made = self.networks["generator"](codes)
        loss = (upcast(made) - images).square().mean()
        self.networks.backward(loss, self.networks.unwrapped)
        self.networks.step(self.networks.unwrapped, number, {"loss": loss})
        return {"loss": loss.detach(), "code_norm": upcast(codes.detach()).norm(dim=1).mean()}

    def require_finite(self) -> None:
        self.networks.require_finite()

    def replicated_state(self) -> dict[str, Any]:
        return self.networks.state()

    def load_replicated_state(self, state: dict[str, Any]) -> None:
        self.networks.load(state)

    def sharded_state(self) -> dict[str, Any]:
        return {}

    def load_sharded_state(self, state: dict[str, Any]) -> None:
        """Nothing to do: there is no sharded state."""

    def samples(self, count: int) -> Tensor:
        """Samples of the Gaussian fitted to the codes of some of this worker's images."""
        codes = self._encode(self.pixels[:ENOUGH])
        prior = Gaussian.fit(Moments.empty(codes.shape[1]).update(codes))
        return fixed_samples(self.generator, prior, self.seed, count)

    def codes(self) -> OwnCodes:
        return OwnCodes(self._encode(self.pixels), learned=False)

    @torch.no_grad()
    def _encode(self, pixels: Tensor) -> Tensor:
        """Codes (n, d) of images (n, C, H, W) uint8, in eval mode."""
        self.encoder.eval()
        codes = [self.encoder(to_float(some.to(self.worker.device))) for some in pixels.split(CHUNK)]
        self.encoder.train()
        return torch.cat(codes)
