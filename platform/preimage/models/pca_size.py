"""How many principal components images can have."""

from preimage.errors import PreimageError


def require_possible(d: int, count: int | None, pixels: int) -> None:
    """Raise PreimageError if images of this many pixels have fewer than d components.

    count: the number of images, None if unknown."""
    most = pixels if count is None else min(count - 1, pixels)
    if d > most:
        images = "images" if count is None else f"{count} images"
        advice = f"a latent dimension of {most} or less" if most > 0 else "more images"
        raise PreimageError(
            f"{images} of {pixels} pixels, channels included, have at most {most} principal components, "
            f"but the latent dimension is {d}. Use {advice}."
        )
