"""The discriminator d(Phi(x)) whose features Phi are denoised (denoising-feature-matching, section 3)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from preimage.models.config import DcganConfig
from preimage.models.dcgan import feature_maps, initialise
from preimage.models.feature_count import feature_count


class FeatureDiscriminator(nn.Module):
    """Images (N, C, H, W) in [-1, 1] to logits (N,), and to the features Phi(x), (N, n), that they are of.

    A DCGAN's convolutions, but with ReLU after the last one (section 5), whose maps are averaged over squares
    of `pool` pixels. The classifier reads the features that the denoiser models, and nothing else.
    """

    def __init__(self, config: DcganConfig, pool: int) -> None:
        """Raises PreimageError as `feature_count` does."""
        super().__init__()
        self.maps, _, _ = feature_maps(config.shape, config.kernel_size, config.base_channels)
        self.maps[-1] = nn.ReLU(inplace=True)
        self.pool = pool
        self.logit = nn.Linear(feature_count(config, pool), 1)
        self.apply(initialise)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = avg_pool2d(self.maps(images), self.pool).flatten(1)
        return self.logit(features).squeeze(1), features


def build_feature_discriminator(config: DcganConfig, pool: int, seed: int) -> FeatureDiscriminator:
    """A discriminator with weights from this seed alone, whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FeatureDiscriminator(config, pool)
