"""How much of a figure is of one colour."""

import io

import numpy as np
from PIL import Image

BLUE, ORANGE = (31, 119, 180), (255, 127, 14)


def share(png, colour, opacity=1.0):
    """The share of a figure that is of that colour on white."""
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(float)
    seen = 255 - opacity * (255 - np.array(colour))
    return (np.abs(picture - seen).sum(2) < 12).mean()
