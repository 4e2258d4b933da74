"""Try a generator before it is imported: what it takes, what it makes, and whether it can be inverted."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preimage.errors import GeneratorError
from preimage.inversion.jacobian import Jacobian, NoJacobianError
from preimage.inversion.labels import generate, spread_labels
from preimage.latents.priors import Prior
from preimage.random_streams import Stream

CODES = 64
"""Codes drawn from the prior to see the range of the images."""
SLACK = 0.25
"""How far images may leave their range, relative to its width: decoders overshoot a little."""
SAME = 1e-4
"""The largest difference of an image in another batch, relative to the range's width."""


@dataclass(frozen=True)
class Probe:
    """What was seen of a generator."""

    lowest: float
    highest: float
    """The range of the network's own values."""
    notes: tuple[str, ...]


def probe(generator: nn.Module, prior: Prior, image_range: tuple[float, float], classes: int) -> Probe:
    """Try a generator (codes (n, d), and labels (n,) if it has classes, to images (n, C, H, W) in [-1, 1]).

    image_range: the range that its network is said to have. Raises GeneratorError, one sentence, if it cannot
    be inverted: images that are not finite, constant, random, of another range or dependent on their batch,
    or no gradient to the code.
    """
    codes = prior.sample(CODES, Stream.IMPORT.generator(0))
    labels = spread_labels(CODES, classes, codes.device)
    before = {name: each.clone() for name, each in generator.state_dict().items()}
    with torch.no_grad():
        images, again = (generate(generator, codes, labels) for _ in range(2))
        alone = torch.cat(
            [
                generate(generator, codes[rows], labels if labels is None else labels[rows])
                for rows in (slice(1), slice(1, 4))
            ]
        )
    _require_images(images, generator)
    _require_deterministic(images, again, alone)
    _require_unchanged(before, generator)
    low, high = image_range
    own = (images + 1) / 2 * (high - low) + low
    lowest, highest = own.min().item(), own.max().item()
    _require_range((lowest, highest), image_range)
    _require_gradient(generator, codes[:4], labels if labels is None else labels[:4])
    notes = []
    if lowest < low or highest > high:
        notes.append(
            f"its values leave the range {text_of(image_range)} a little: {lowest:.3g} to {highest:.3g}"
        )
    try:
        Jacobian.of(generator, codes[:1])
    except NoJacobianError as error:
        notes.append(f"{error}: it is inverted without whitening")
    return Probe(lowest, highest, tuple(notes))


def example_codes(count: int, latent_dim: int) -> Tensor:
    """A few codes (count, d) to compare two forms of a network on."""
    return torch.randn(count, latent_dim, generator=Stream.IMPORT.generator(1))


def text_of(image_range: tuple[float, float]) -> str:
    """A range as the command line takes it."""
    return f"{image_range[0]:g}..{image_range[1]:g}"


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


def _require_images(images: Tensor, generator: nn.Module) -> None:
    bad = int((~images.flatten(1).isfinite().all(1)).sum())
    if bad:
        raise GeneratorError(
            f"the generator makes values that are not finite for {bad} of {CODES} codes of its prior: check "
            "its weights and its prior"
        )
    if images.std(0).max() < 1e-6:
        raise GeneratorError(
            f"the generator makes the same image for {CODES} different codes: check its weights and its prior"
        )


def _require_deterministic(images: Tensor, again: Tensor, alone: Tensor) -> None:
    if not torch.equal(images, again):
        raise GeneratorError(
            "the generator makes another image each time it gets the same code: it draws random numbers, as "
            "noise or dropout do. Give them as a fixed input (--fixed), or switch them off (--set)"
        )
    away = (images[:4] - alone).abs().max().item()
    if away > 2 * SAME:
        raise GeneratorError(
            f"the image of a code depends on the other codes in its batch (by {away / 2:.2g} of the range): "
            "such a generator cannot be inverted. Put normalisation layers into eval mode"
        )


def _require_unchanged(before: dict[str, Tensor], generator: nn.Module) -> None:
    changed = [name for name, each in generator.state_dict().items() if not torch.equal(each, before[name])]
    if changed:
        raise GeneratorError(
            f"the generator changes its own {changed[0]} when it makes images: put it into eval mode"
        )


def _require_range(seen: tuple[float, float], image_range: tuple[float, float]) -> None:
    (lowest, highest), (low, high) = seen, image_range
    width = high - low
    said = f"the generator's values go from {lowest:.3g} to {highest:.3g}"
    if (low, high) == (-1, 1) and lowest >= 0 and 0.5 < highest <= 1 + SLACK:
        raise GeneratorError(f"{said}, but its range is said to be {text_of(image_range)}: give --range 0..1")
    if lowest < low - SLACK * width or highest > high + SLACK * width:
        known = [each for each in ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)) if _within(seen, each)]
        advice = (
            text_of(known[0])
            if known
            else f"{lowest:.3g}..{highest:.3g}, or the range of its training images"
        )
        raise GeneratorError(f"{said}, outside its range {text_of(image_range)}: give --range {advice}")
    if highest - lowest < 0.02 * width:
        raise GeneratorError(
            f"{said}, a small part of its range {text_of(image_range)}: give --range with its own"
        )


def _within(seen: tuple[float, float], known: tuple[float, float]) -> bool:
    slack = SLACK * (known[1] - known[0])
    return known[0] - slack <= seen[0] and seen[1] <= known[1] + slack and seen[1] > known[1] / 2


def _require_gradient(generator: nn.Module, codes: Tensor, labels: Tensor | None) -> None:
    advice = "remove `detach`, `torch.no_grad` or rounding from its forward pass"
    with torch.enable_grad():
        leaf = codes.clone().requires_grad_()
        try:
            (gradient,) = torch.autograd.grad(generate(generator, leaf, labels).square().sum(), leaf)
        except RuntimeError as error:
            raise GeneratorError(
                f"the generator has no gradient to its codes ({first_line(error)}): {advice}"
            ) from error
    if not gradient.isfinite().all() or not gradient.abs().sum(1).all():
        raise GeneratorError(f"the gradient to the generator's codes is zero or not finite: {advice}")
