"""Walks between two codes, and sums of three."""

from typing import Literal

import numpy as np
import torch

from preimage.latents import walks as lines
from preimage.latents.priors import Support

How = Literal["linear", "spherical"]


def walk(
    start: np.ndarray, end: np.ndarray, steps: int, how: How = "linear", support: Support = "anywhere"
) -> np.ndarray:
    """`steps` codes (steps, d) float32 from start (d,) to end (d,), both included.

    linear: a straight line (glo, section 3.3.3). spherical: the direction turns evenly about the origin and
    the length changes evenly, so that a walk between codes of N(0, I), which lie near a sphere, does not cut
    through its middle, where no codes are (White 2016, "Sampling generative networks"). support: the ball's
    codes stay in the ball.
    """
    a, b = (torch.as_tensor(each, dtype=torch.float32) for each in (start, end))
    if how == "linear":
        codes = lines.interpolate(a[None], b[None], steps, support)[0]
    else:
        codes = lines.within(_turned(a.double(), b.double(), steps).float(), support)
    return codes.numpy()


def usual_way(prior: str | None) -> How:
    """How to walk among the codes of a prior of this name: around the origin if it is normal."""
    return "spherical" if prior == "normal" else "linear"


def arithmetic(a: np.ndarray, b: np.ndarray, c: np.ndarray, support: Support = "anywhere") -> np.ndarray:
    """a - b + c (d,) float32 (glo, section 3.3.4), projected onto the unit ball if that is the support."""
    plus, minus, also = (torch.as_tensor(each, dtype=torch.float32) for each in (a, b, c))
    return lines.arithmetic([plus, also], [minus], support).numpy()


def _turned(a: torch.Tensor, b: torch.Tensor, steps: int) -> torch.Tensor:
    """Codes (steps, d) whose direction turns from that of a (d,) to that of b. Where no turn is defined, as
    from the origin or to the opposite code, they lie on a straight line."""
    share = torch.linspace(0, 1, steps, dtype=a.dtype)[:, None]
    straight = torch.lerp(a, b, share)
    lengths = torch.stack([a.norm(), b.norm()])
    if not lengths.min() > 0:
        return straight
    here, there = a / lengths[0], b / lengths[1]
    angle = 2 * torch.atan2((here - there).norm(), (here + there).norm())  # exact for small angles too
    if angle < 1e-6 or torch.pi - angle < 1e-6:
        return straight
    turned = (((1 - share) * angle).sin() * here + (share * angle).sin() * there) / angle.sin()
    codes = torch.lerp(lengths[0], lengths[1], share) * turned
    codes[0] = a
    if steps > 1:
        codes[-1] = b
    return codes
