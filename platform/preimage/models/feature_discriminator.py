"""The discriminator d(Phi(x)) whose features Phi are denoised (denoising-feature-matching, section 3)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from preimage.data.image_shape import shape_text
from preimage.errors import PreimageError
from preimage.models.config import DcganConfig
from preimage.models.dcgan import feature_maps, initialise


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


def feature_count(config: DcganConfig, pool: int) -> int:
    """The number of features n. Raises PreimageError where squares of `pool` do not tile the last maps."""
    with torch.device("meta"):
        _, maps, (height, width) = feature_maps(config.shape, config.kernel_size, config.base_channels)
    pools = [each for each in range(1, min(height, width) + 1) if not height % each and not width % each]
    if pool not in pools:
        raise PreimageError(
            f"feature_pool={pool} does not divide the discriminator's last maps of "
            f"{shape_text((height, width))} pixels: choose one of {', '.join(map(str, pools))}"
        )
    return maps * height * width // pool**2


def build_feature_discriminator(config: DcganConfig, pool: int, seed: int) -> FeatureDiscriminator:
    """A discriminator with weights from this seed alone, whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FeatureDiscriminator(config, pool)
