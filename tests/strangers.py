"""Small networks as strangers write them, to import. This module is also the code that imports name."""

import torch
from torch import Tensor, nn


def mlp(width: int = 8) -> nn.Sequential:
    """Codes (n, 4) to flat images (n, 36) in [0, 1]."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 36), nn.Sigmoid())
    net.get_parameter("2.weight").data *= 6
    return net


class Conv(nn.Module):
    """Codes (n, 6, 1, 1) to images (n, 1, 8, 8) in [-1, 1]."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.gen = nn.Sequential(
            nn.ConvTranspose2d(6, width, 4),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, codes: Tensor) -> Tensor:
        return self.gen(codes)


class Conditional(nn.Module):
    """Codes (n, 3) and classes (n,) to (images (n, 1, 4, 4), features): a class moves the whole image."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(classes, 16), nn.Linear(3, 16)

    def forward(self, codes: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        features = self.out(codes) + self.embed(y)
        return torch.tanh(features).view(-1, 1, 4, 4), features


class OneHot(nn.Module):
    """Codes (n, 3) and one-hot classes (n, 4) to images (n, 1, 4, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(7, 16)

    def forward(self, codes: Tensor, label: Tensor) -> Tensor:
        return torch.tanh(self.out(torch.cat([codes, label], 1))).view(-1, 1, 4, 4)


class Style(nn.Module):
    """Two latent spaces, as StyleGAN has them: z (n, 5), mapped to w (n, 5), modulates the maps of images
    (n, 3, 8, 8)."""

    z_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.mapping = nn.Sequential(nn.Linear(5, 16), nn.LeakyReLU(0.2), nn.Linear(16, 5))
        self.constant = nn.Parameter(torch.randn(1, 8, 4, 4))
        self.style, self.grey = nn.Linear(5, 8), nn.Conv2d(8, 3, 3, padding=1)

    def synthesis(self, w: Tensor) -> Tensor:
        maps = self.constant * (1 + self.style(w))[:, :, None, None]
        return torch.tanh(self.grey(nn.functional.interpolate(maps, scale_factor=2)))

    def forward(self, z: Tensor) -> Tensor:
        return self.synthesis(self.mapping(z))


class Placed(nn.Module):
    """Codes (n, 4) to images (n, 3, 4, 4), by activations viewed flat, and tensors made on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(6, 3, 3, padding=1), nn.Linear(48, 48)

    def forward(self, codes: Tensor) -> Tensor:
        place = torch.meshgrid(torch.linspace(-1, 1, 4), torch.arange(4) / 4, indexing="ij")
        maps = codes[:, :, None, None].expand(-1, 4, 4, 4)
        made = self.conv(torch.cat([maps, torch.stack(place).expand(codes.shape[0], 2, 4, 4)], 1))
        made = made * torch.ones(codes.shape[0], 1, 1, 1) + torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)
        return torch.tanh(self.out(made.view(codes.shape[0], 48))).view(-1, 3, 4, 4)


class Branching(nn.Module):
    """Codes (n, 4) to images (n, 1, side, side), by a branch that torch.export cannot trace."""

    def __init__(self, scale: float = 1.0, side: int = 8) -> None:
        super().__init__()
        self.out, self.scale, self.side = nn.Linear(4, side * side), scale, side

    def forward(self, codes: Tensor) -> Tensor:
        made = self.out(codes) * self.scale
        made = made if made.mean() < 1e9 else -made
        return torch.tanh(made).view(-1, 1, self.side, self.side)


class Forgetful(Branching):
    """The same, with a buffer that its state dict leaves out."""

    gain: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("gain", torch.ones(1), persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        return super().forward(codes * self.gain)


class Noisy(nn.Module):
    """Codes (n, 4) to images (n, 1, 4, 4) with noise that is drawn again each time."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(4, 16)

    def forward(self, codes: Tensor) -> Tensor:
        return torch.tanh(self.out(codes) + 0.1 * torch.randn(16)).view(-1, 1, 4, 4)


class Coupled(nn.Module):
    """Codes (n, 4) to images (n, 1, 4, 4) that depend on their whole batch."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(4, 16)

    def forward(self, codes: Tensor) -> Tensor:
        return torch.tanh(self.out(codes - codes.mean(0))).view(-1, 1, 4, 4)


class Rounded(nn.Module):
    """Codes (n, 4) to images (n, 1, 4, 4) without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(4, 16)

    def forward(self, codes: Tensor) -> Tensor:
        return torch.tanh(self.out(codes)).mul(8).round().div(8).view(-1, 1, 4, 4)


class Named(nn.Module):
    """Codes (n, 4) to a dict with images (n, 1, 4, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(4, 16)

    def forward(self, codes: Tensor) -> dict[str, Tensor]:
        return {"features": codes, "images": torch.tanh(self.out(codes)).view(-1, 1, 4, 4)}


READY = mlp()
"""A network that is there already, not a class."""
NUMBER = 3
