"""Reconstruct an image from few measurements.

A scanner does not see pixels: magnetic resonance measures frequencies, and fewer of them take less
time. Any linear measurement can stand between the image and its code. It is a function here, in
NumPy, with its adjoint.
"""

import sys
from pathlib import Path

import numpy as np
import torch

import preimage as pi

SIZE = "tiny" if "--tiny" in sys.argv else None

# Digits that the generator has never seen: the images come in a fixed order, and it was trained on
# the first.
glo = pi.open(pi.run(Path(__file__).with_name("glo.yaml"), profile=SIZE))
data = glo.spec["data"]
unseen = pi.load_images(**data | {"max_images": data["max_images"] + 12}).images[-12:]

# Which of the frequencies are measured: lines through the middle of the plane, as a scanner follows
# them.
side = unseen.shape[-1]
angle = np.linspace(0, np.pi, 3, endpoint=False)[:, None]
along = np.arange(-side // 2, side // 2)
rows, columns = (np.round(along * direction(angle)).astype(int) % side for direction in (np.sin, np.cos))
measured = np.zeros((side, side), bool)
measured[rows, columns] = True


def forward(images: np.ndarray) -> np.ndarray:
    """Images (n, 1, H, W) to the real and imaginary parts of the measured frequencies, (n, 2, m)."""
    found = np.fft.fft2(images, norm="ortho")[:, 0, measured]
    return np.stack([found.real, found.imag], axis=1)


def adjoint(numbers: np.ndarray) -> np.ndarray:
    """The other way, such that <forward(x), y> = <x, adjoint(y)>: what was not measured is zero."""
    plane = np.zeros((len(numbers), 1, side, side), complex)
    plane[:, 0, measured] = numbers[:, 0] + 1j * numbers[:, 1]
    return np.fft.ifft2(plane, norm="ortho").real


# The pair is tried before the search: an adjoint that is not one is refused.
scanner = pi.LinearOperator.of_numpy(forward, adjoint)
found = pi.invert(glo.generator, unseen, prior=glo.prior, measurement=scanner, restarts=2)
made = found.reconstructions
plain = torch.from_numpy(adjoint(forward(unseen.numpy()))).float()

share = measured.mean()
print(f"{measured.sum()} of {measured.size} frequencies, {share:.0%}")
pi.picture(
    {
        "digits": unseen,
        f"inverse Fourier\ntransform\nerror {(plain - unseen).square().mean():.3f}": plain,
        f"nearest image of\nthe generator\nerror {(made - unseen).square().mean():.3f}": made,
    },
    title=f"Unseen digits, reconstructed from {share:.0%} of their frequencies",
).save("sense.png")
