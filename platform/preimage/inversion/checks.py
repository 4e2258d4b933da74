"""What an engine is given, checked before any step."""

from typing import Any

import torch
from torch import Tensor, nn

from preimage.data.image_shape import shape_text
from preimage.errors import InversionError
from preimage.inversion.jacobian import NoJacobianError
from preimage.inversion.labels import classes_of, generate, spread_labels
from preimage.inversion.losses import Loss
from preimage.inversion.measurements import Measurement
from preimage.inversion.operator_checks import checked
from preimage.inversion.problem import Problem


def images_made(network: nn.Module, latent_dim: int, device: torch.device) -> Tensor:
    """The images (2, C, H, W) of two codes of zeros. Raises InversionError if these are not what it makes."""
    codes, classes = torch.zeros(2, latent_dim, device=device), classes_of(network)
    asked = f"codes (2, {latent_dim})" + (" and labels (2,)" if classes else "")
    try:
        with torch.no_grad():
            made: Any = generate(network, codes, spread_labels(2, classes, device))
    except (RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InversionError(
            f"the generator does not take {asked}: {reason}. Wrap it in a module that does"
        ) from error
    if not isinstance(made, Tensor):
        raise InversionError(
            f"a generator must return images as one tensor, but this one returned a {type(made).__name__}: "
            "wrap it in a module whose forward returns the images alone"
        )
    if made.dim() != 4 or len(made) != 2:
        raise InversionError(
            f"a generator must map codes (2, {latent_dim}) to images (2, C, H, W), but this one returned "
            f"{tuple(made.shape)}: wrap it in a module whose forward reshapes them"
        )
    return made


def makes_same_images(network: nn.Module, made: Tensor, latent_dim: int) -> bool:
    """Whether another form of a network makes the images that it `made` of codes of zeros, up to rounding."""
    try:
        others = images_made(network, latent_dim, made.device)
    except InversionError:
        return False
    size = made.nan_to_num(0, 0, 0).abs().max().item()
    return torch.allclose(others, made, rtol=1e-3, atol=1e-3 * size, equal_nan=True)


def require_low_precision(network: nn.Module, latent_dim: int, device: torch.device) -> None:
    """Raise InversionError if a network does not run in low precision, for it makes float32 itself."""
    try:
        images_made(network, latent_dim, device)
    except InversionError as error:
        raise InversionError(
            f"the generator does not compute in bfloat16; use precision=float32: {error}"
        ) from error


def require_measurement_of(measurement: Measurement, shape: tuple[int, ...], device: torch.device) -> None:
    """Raise InversionError unless the measurement is of images of this shape (C, H, W) and, if it is an
    operator's, works on this device."""
    if measurement.shape != shape:
        raise InversionError(
            f"the generator makes images of {shape_text(shape)}, but the measurement is for "
            f"{shape_text(measurement.shape)}"
        )
    if measurement.operator and device.type != "cpu":
        checked(measurement.operator, measurement.shape, device)


def require_squares(solver: str, problem: Problem, loss: Loss | None) -> None:
    """Raise InversionError where a solver that minimises squares meets another loss, or a generator without a
    Jacobian. loss: a user's own."""
    if loss is not None:
        raise InversionError(f"{solver} minimises squares only: use solver=lbfgs with a loss of your own")
    try:
        _ = problem.jacobian
    except NoJacobianError as error:
        raise InversionError(f"{error}, which {solver} needs: use solver=lbfgs") from error


def are_measured(images: Tensor, measurement: Measurement, said: bool | None) -> bool:
    """Whether images are observations already. Raises InversionError if they can be neither.

    said: what the user says, None if the shape is to tell.
    """
    shape, made, observed = tuple(images.shape[1:]), measurement.shape, measurement.reduced
    if shape not in {made, observed} and (len(images) or not shape):
        also = f", and the operator returns {observed}" if measurement.operator else ""
        raise InversionError(f"the generator makes images of shape {made}{also}, but these are {shape}")
    if said is None and measurement.operator and made == observed:
        raise InversionError(
            "the operator returns images of the generator's shape, so the shape does not tell what is given: "
            "pass measured=True for observations, measured=False for images to be measured"
        )
    if said is not None and shape != (observed if said else made) and len(images):
        raise InversionError(
            f"measured={said}, but images of shape {shape} are {'none' if said else 'observations'} here: "
            f"leave measured out, or pass {'observations' if said else 'images'} of shape "
            f"{observed if said else made}"
        )
    measured = shape == observed if said is None else said
    if measured and measurement.config.noise and (said or measurement.operator):
        raise InversionError(
            "measurement.noise would be added to observations, which have their own: remove it"
        )
    return measured


def require_fit(images: Tensor, init_codes: Tensor | None, ids: Tensor, latent_dim: int) -> None:
    """Raise InversionError unless images, starts and ids fit each other and the generator."""
    if not images.is_floating_point():
        raise InversionError(
            f"images must be numbers in the generator's own range, such as [-1, 1], but are {images.dtype}: "
            "convert them first"
        )
    if init_codes is not None and (len(init_codes) != len(images) or init_codes.shape[-1] != latent_dim):
        raise InversionError(
            f"{len(images)} images of a generator with {latent_dim} latent dimensions but "
            f"init_codes of shape {tuple(init_codes.shape)}"
        )
    if init_codes is not None and not init_codes.isfinite().all():
        raise InversionError("init_codes must be finite")
    if len(ids) != len(images):
        raise InversionError(f"{len(images)} images but {len(ids)} ids")


def require_finite(seen: Tensor, ids: Tensor) -> None:
    """Raise InversionError if what is seen of the images with these ids is not finite."""
    wrong = (~seen.flatten(1).isfinite().all(1)).nonzero().squeeze(1)
    if len(wrong):
        raise InversionError(
            f"image {int(ids[wrong[0]])} holds a value that is not finite where it is observed: fix or mask "
            "it"
        )
