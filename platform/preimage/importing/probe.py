"""Try a generator before it is imported: what it takes, what it makes, and whether it can be inverted."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from preimage.errors import GeneratorError
from preimage.float32 import float32_products
from preimage.inversion.jacobian import Jacobian, NoJacobianError
from preimage.inversion.labels import generate, spread_labels
from preimage.latents.priors import Prior
from preimage.random_streams import Stream

CODES = 64
"""Codes drawn from the prior to see the range of the images."""
SLACK, UNDER, FEW = 0.25, 0.1, 0.02
"""How far images may leave their range, how far values that fill one leave it, and how little of it is too
little, relative to its width: decoders overshoot a little."""
RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
"""The usual ranges of images, narrowest first."""
SAME = 1e-4
"""The largest difference of an image in another batch, relative to the range's width."""


@dataclass(frozen=True)
class Probe:
    """What was seen of a generator."""

    lowest: float
    highest: float
    """The range of the network's own values."""
    notes: tuple[str, ...]


def probe(
    generator: nn.Module,
    prior: Prior,
    image_range: tuple[float, float],
    classes: int,
    check_range: bool = True,
) -> Probe:
    """Try a generator (codes (n, d), and labels (n,) if it has classes, to images (n, C, H, W) in [-1, 1]).

    image_range: the range that its network is said to have. check_range: whether to refuse another.
    Raises GeneratorError, one sentence, if it cannot be inverted: images that are not finite, constant,
    random, of another range or dependent on their batch, or no gradient to the code.
    """
    codes = prior.sample(CODES, Stream.IMPORT.generator(0))
    labels = spread_labels(CODES, classes, codes.device)
    before = {name: each.clone() for name, each in generator.state_dict().items()}
    try:
        images, again, alone = _made(generator, codes, labels)
    except GeneratorError:
        raise
    except Exception as error:  # the network is a stranger's
        labelled = f" with labels 0 to {classes - 1}" if classes else ""
        what = f"codes ({CODES}, {prior.latent_dim}){labelled}"
        raise GeneratorError(
            f"the generator fails for {what}, or for one code alone: {first_line(error)}"
        ) from error
    _require_images(images)
    _require_deterministic(images, again, alone)
    _require_unchanged(before, generator)
    low, high = image_range
    own = (images + 1) / 2 * (high - low) + low
    lowest, highest = own.min().item(), own.max().item()
    if check_range:
        _require_range((lowest, highest), image_range)
    _require_gradient(generator, codes[:4], labels if labels is None else labels[:4])
    notes = []
    if lowest < low or highest > high:
        notes.append(f"its values leave the range {text_of(image_range)}: {lowest:.3g} to {highest:.3g}")
    try:
        Jacobian.of(generator, codes[:1])
    except NoJacobianError as error:
        notes.append(f"{error}: PAG, local ranks and levenberg-marquardt need one")
    return Probe(lowest, highest, tuple(notes))


@torch.no_grad()
@float32_products("ieee")
def _made(generator: nn.Module, codes: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Images of all codes, the same again, and those of the first four in batches of one and three."""
    images, again = (generate(generator, codes, labels) for _ in range(2))
    parts = (slice(1), slice(1, 4))
    few = [generate(generator, codes[rows], None if labels is None else labels[rows]) for rows in parts]
    return images, again, torch.cat(few)


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


def _require_images(images: Tensor) -> None:
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
    looks = next((each for each in RANGES if _fills(seen, each)), None)
    outside = lowest < low - SLACK * width or highest > high + SLACK * width
    if _fills(seen, image_range) or not (outside or looks or highest - lowest < FEW * width):
        return
    advice = (
        f"give --range {text_of(looks)}" if looks else "give the range of its training images with --range"
    )
    raise GeneratorError(
        f"the generator's values go from {lowest:.3g} to {highest:.3g}, which does not fit the range "
        f"{text_of(image_range)}: {advice}, or add --no-check-range if it is right all the same"
    )


def _fills(seen: tuple[float, float], known: tuple[float, float]) -> bool:
    """Whether values are within a range, but for a little, and reach its lowest quarter and upper half."""
    (lowest, highest), (low, high) = seen, known
    width = high - low
    within = low - UNDER * width <= lowest and highest <= high + UNDER * width
    return within and lowest < low + width / 4 and highest > low + width / 2


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
