"""How many features a DFM-GAN's discriminator has."""

from preimage.data.image_shape import shape_text
from preimage.errors import PreimageError
from preimage.models.config import DcganConfig
from preimage.models.dcgan_size import maps_of


def feature_count(config: DcganConfig, pool: int) -> int:
    """The number of features n. Raises PreimageError where squares of `pool` do not tile the last maps."""
    (height, width), filters = maps_of(config.shape, config.base_channels)
    pools = [each for each in range(1, min(height, width) + 1) if not height % each and not width % each]
    if pool not in pools:
        raise PreimageError(
            f"feature_pool={pool} does not divide the discriminator's last maps of "
            f"{shape_text((height, width))} pixels: choose one of {', '.join(map(str, pools))}"
        )
    return filters[-1] * height * width // pool**2
