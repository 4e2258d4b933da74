"""Pictures of images, for a page or a notebook."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from preimage.data.image_shape import shape_text
from preimage.errors import PreimageError
from preimage.figures.plots import image_rows_png
from preimage.library.display import SIGNED, Picture, Range, signed


def picture(
    rows: Mapping[str, Tensor],
    *,
    title: str = "",
    captions: Sequence[str] = (),
    value_range: Range = SIGNED,
) -> Picture:
    """Draw rows of images, each with its name on the left; in a notebook, the picture shows itself.

        preimage.picture({"given": images, "found": found.reconstructions}).save("found.png")

    rows: images (n, C, H, W) of one shape; a shorter row ends earlier. captions: above the columns.
    value_range: the values that are black and white. Raises PreimageError for images of several shapes.
    """
    shapes = sorted({tuple(images.shape[1:]) for images in rows.values()})
    if len(shapes) != 1 or len(shapes[0]) != 3:
        found = ", ".join(shape_text(shape) for shape in shapes) or "no images"
        raise PreimageError(f"a picture has rows of images (n, C, H, W) of one shape, but got {found}")
    longest = max(map(len, rows.values()))
    drawn = {name: _filled(signed(each.cpu(), value_range), longest) for name, each in rows.items()}
    return Picture(image_rows_png({title: drawn}, width=min(9.0, 1.1 * longest + 1), captions=captions))


def _filled(images: Tensor, count: int) -> Tensor:
    """Images (n, C, H, W), and white ones after them: (count, C, H, W)."""
    return torch.cat([images, images.new_ones(count - len(images), *images.shape[1:])])
