"""The Jacobian of a generator's images with respect to their codes."""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import jvp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from preimage.errors import InversionError
from preimage.float32 import float32_products
from preimage.inversion.labels import classes_of, generate, in_batches, spread_labels


class NoJacobianError(InversionError):
    """A generator with an operation that torch can differentiate neither in forward mode nor twice."""


class JacobianTooLargeError(NoJacobianError):
    """A Jacobian that does not fit into the memory there is."""


@dataclass(frozen=True)
class Jacobian:
    """The Jacobian of a network, by one of two roads to the same numbers.

    Forward mode takes all directions at once. The other differentiates J w, which reverse mode gives, by w,
    one direction after the other: for operations that lack rules for forward mode or vmap, such as a custom
    autograd.Function, control flow that looks at the data, or changes in place.
    """

    network: nn.Module
    forward_mode: bool = True

    @classmethod
    @float32_products("ieee")
    @sdpa_kernel(SDPBackend.MATH)
    def of(cls, network: nn.Module, code: Tensor) -> "Jacobian":
        """By the first road that works at a code (1, d). Raises NoJacobianError if none does."""
        labels = spread_labels(1, classes_of(network), code.device)
        try:
            _forward(network, code, labels, count=1)
            return cls(network)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError) as error:
            reason = str(error).strip().partition("\n")[0].partition(". ")[0][:200].rstrip(".")
        try:
            _reverse(network, code, labels, count=1)
            return cls(network, forward_mode=False)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError) as error:
            raise NoJacobianError(f"torch cannot compute the generator's Jacobian ({reason})") from error

    @float32_products("ieee")
    @sdpa_kernel(SDPBackend.MATH)  # the only attention with rules for either road
    @torch.no_grad()
    def __call__(self, z: Tensor, labels: Tensor | None = None, chunk: int = 8) -> tuple[Tensor, Tensor]:
        """Images (n, C, H, W) of codes z (n, d), and their derivatives (n, d, C, H, W) by z's components.

        Row i of the images must depend on row i of z alone. Takes the time of generating n * d images and,
        besides the result, the memory of generating chunk * d, or without forward mode that of 3 * chunk.
        """
        road = _forward if self.forward_mode else _reverse
        found = [road(self.network, *some, z.shape[1]) for some in in_batches(z, labels, chunk)]
        images, slopes = zip(*found, strict=True)
        return torch.cat(images), torch.cat(slopes)

    def passes(self, dim: int) -> int:
        """Generator evaluations for a code of `dim` components."""
        return dim + (1 if self.forward_mode else 2)


def _forward(network: nn.Module, z: Tensor, labels: Tensor | None, count: int) -> tuple[Tensor, Tensor]:
    """By the first `count` components."""
    eye = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)[:count]
    directions = eye[:, None].expand(-1, *z.shape)
    with torch.no_grad(), warnings.catch_warnings():  # torch calls its own deprecated function
        warnings.filterwarnings("ignore", r"`torch\.jit\.script` is deprecated", FutureWarning)
        images, *slopes = vmap(
            lambda along: jvp(lambda codes: generate(network, codes, labels), (z,), (along,)),
            out_dims=(0, 1),
        )(directions)
    return images[0], slopes[0]


@torch.enable_grad()
def _reverse(network: nn.Module, z: Tensor, labels: Tensor | None, count: int) -> tuple[Tensor, Tensor]:
    """By the first `count` components: J w is linear in w, so its derivatives by w are the rows of J."""
    codes = z.detach().clone().requires_grad_()
    images = generate(network, codes, labels)
    weights = torch.zeros_like(images, requires_grad=True)
    (along,) = torch.autograd.grad(images, codes, weights, create_graph=True)
    rows = [
        torch.autograd.grad(along[:, i].sum(), weights, retain_graph=True)[0].detach() for i in range(count)
    ]
    return images.detach(), torch.stack(rows, 1)
