"""Some lines of an image's Fourier transform, as a magnetic resonance scanner measures them."""

import numpy as np
import torch

from preimage.inversion.operators import LinearOperator, OperatorKind, OperatorSetup
from preimage.random_streams import Stream, purpose


def fourier_lines(setup: OperatorSetup) -> LinearOperator:
    """Observations (n, 2, C, rows, W), real and imaginary parts, of round(rate * H) rows of the spectrum: the
    lowest frequency, and others drawn from the seed."""
    assert setup.rate is not None
    height = setup.shape[1]
    random = Stream.PLUGIN.generator(setup.seed, purpose("preimage-example: Fourier lines"))
    others = 1 + torch.randperm(height - 1, generator=random)[: max(0, round(setup.rate * height) - 1)]
    lines = np.array([0, *sorted(others.tolist())])

    def forward(images: np.ndarray) -> np.ndarray:
        seen = np.fft.fft2(images, norm="ortho")[:, :, lines]
        return np.stack([seen.real, seen.imag], 1)

    def adjoint(seen: np.ndarray) -> np.ndarray:
        spectrum = np.zeros((len(seen), *setup.shape), complex)
        spectrum[:, :, lines] = seen[:, 0] + 1j * seen[:, 1]
        return np.fft.ifft2(spectrum, norm="ortho").real

    return LinearOperator.of_numpy(forward, adjoint)


FOURIER_LINES = OperatorKind(fourier_lines, takes_rate=True)
