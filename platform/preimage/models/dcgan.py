"""The DCGAN generator and discriminator (Radford et al. 2015), also conditional ones (Mirza and Osindero
2014)."""

from math import prod

import torch
from torch import Tensor, nn

from preimage.data.image_shape import Shape
from preimage.models.class_labels import encoded
from preimage.models.config import DcganConfig
from preimage.models.dcgan_size import maps_of


class Generator(nn.Module):
    """Codes (N, d) to images (N, C, H, W) in [-1, 1].

    Transposed convolutions that each double height and width, BatchNorm and ReLU between them, then tanh.
    With `classes`, labels (N,) int64 are concatenated to the codes, one-hot.
    """

    def __init__(self, config: DcganConfig) -> None:
        super().__init__()
        self.config, self.classes = config, config.classes
        first, widths = maps_of(config.shape, config.base_channels)
        layers: list[nn.Module] = []
        before = config.latent_dim + config.classes
        for i, after in enumerate(reversed(widths)):
            layers += [_first(before, after, first) if i == 0 else _up(before, after, config.kernel_size)]
            layers += [nn.BatchNorm2d(after), _activation(config)]
            before = after
        layers += [_up(before, config.channels, config.kernel_size, bias=True), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(initialise)

    def forward(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Raises GeneratorError without labels, if it is conditional."""
        if self.classes:
            codes = torch.cat([codes, encoded(labels, self.classes, "one-hot", codes.dtype)], dim=1)
        return self.layers(codes[:, :, None, None])


class Discriminator(nn.Module):
    """Images (N, C, H, W) in [-1, 1] to logits (N,): positive means real.

    The generator's mirror: strided convolutions, BatchNorm in all but the first, leaky ReLU 0.2.
    With `classes`, labels (N,) int64 are further channels of the images, one-hot: all of one is 1.
    """

    def __init__(self, config: DcganConfig) -> None:
        super().__init__()
        self.classes = config.classes
        self.features, width = _features(config, config.classes)
        self.logit = nn.Linear(width, 1)
        self.apply(initialise)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Raises GeneratorError without labels, if it is conditional."""
        if self.classes:
            planes = encoded(labels, self.classes, "one-hot", images.dtype)[:, :, None, None]
            images = torch.cat([images, planes.expand(-1, -1, *images.shape[2:])], dim=1)
        return self.logit(self.features(images)).squeeze(1)


class Encoder(nn.Module):
    """Images (N, C, H, W) in [-1, 1] to codes (N, d): a discriminator that ends in d numbers instead of one
    (glo, section 3.1)."""

    def __init__(self, config: DcganConfig) -> None:
        super().__init__()
        self.features, width = _features(config)
        self.codes = nn.Linear(width, config.latent_dim)
        self.apply(initialise)

    def forward(self, images: Tensor) -> Tensor:
        return self.codes(self.features(images))


def _features(config: DcganConfig, more: int = 0) -> tuple[nn.Sequential, int]:
    """The generator's mirror up to its last feature map, flattened, and its number of features.

    more: channels beside the images' own.
    """
    channels, *size = config.shape
    shape = (channels + more, size[0], size[1])
    maps, width, last = feature_maps(shape, config.kernel_size, config.base_channels)
    return maps.append(nn.Flatten()), width * prod(last)


def feature_maps(shape: Shape, kernel_size: int, width: int) -> tuple[nn.Sequential, int, tuple[int, int]]:
    """A discriminator's convolutions of images (C, H, W), the number of maps from the last one, and their
    (h, w)."""
    last, widths = maps_of(shape, width)
    layers: list[nn.Module] = []
    before = shape[0]
    for i, after in enumerate(widths):
        layers += [_down(before, after, kernel_size, bias=i == 0)]
        layers += [nn.BatchNorm2d(after)] if i else []
        layers += [nn.LeakyReLU(0.2, inplace=True)]
        before = after
    return nn.Sequential(*layers), before, last


def _activation(config: DcganConfig) -> nn.Module:
    return nn.ReLU(inplace=True) if config.activation == "relu" else nn.LeakyReLU(0.2, inplace=True)


def _first(before: int, after: int, size: tuple[int, int]) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, size, bias=False)


def _up(before: int, after: int, kernel_size: int, bias: bool = False) -> nn.ConvTranspose2d:
    odd = kernel_size % 2
    padding = (kernel_size - 1) // 2
    return nn.ConvTranspose2d(before, after, kernel_size, 2, padding, output_padding=odd, bias=bias)


def _down(before: int, after: int, kernel_size: int, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel_size, 2, (kernel_size - 1) // 2, bias=bias)


def initialise(module: nn.Module) -> None:
    """Weights N(0, 0.02), BatchNorm scales N(1, 0.02), as in the DCGAN paper."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def parameters_of(module: nn.Module) -> int:
    """How many parameters a network has."""
    return sum(p.numel() for p in module.parameters())


def build_pair(config: DcganConfig, seed: int) -> tuple[Generator, Discriminator]:
    """A generator and its discriminator with weights from this seed alone, whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Generator(config), Discriminator(config)


def build_autoencoder(config: DcganConfig, seed: int) -> tuple[Encoder, Generator]:
    """An encoder, and the generator as its decoder, with weights from this seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Encoder(config), Generator(config)
