"""A slim strip below a picture that says how it was made."""

import io
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from preimage.figures.grids import png_of
from preimage.figures.png_texts import HEIGHT, TEXT

SMALLEST, LARGEST = 12, 18
"""Of the letters, in pixels. They grow with the picture's width, since a page shrinks wide pictures."""
GREY = (112, 112, 112)


def with_footer(picture: bytes | Image.Image, text: str) -> bytes:
    """A picture, as PNG or not yet, with a text below it, wrapped to its width, in grey on white. The picture
    itself keeps every pixel. The PNG also holds the text."""
    picture = Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else picture
    if picture.mode not in ("RGB", "RGBA"):
        picture = picture.convert("RGB")
    font = _font(min(LARGEST, max(SMALLEST, round(picture.width / 90))))
    margin = round(font.size / 2)
    lines = wrapped(text, font, picture.width - 2 * margin)
    step = round(1.35 * font.size)
    whole = Image.new(picture.mode, (picture.width, picture.height + len(lines) * step + margin), "white")
    whole.paste(picture)
    draw = ImageDraw.Draw(whole)
    for number, line in enumerate(lines):
        draw.text((margin, picture.height + number * step + margin // 3), line, fill=GREY, font=font)
    said = PngInfo()
    said.add_itxt(TEXT, text)
    said.add_text(HEIGHT, str(picture.height))
    return png_of(whole, said)


def without_footer(picture: Image.Image) -> Image.Image:
    """A picture that was read, as it was before `with_footer`."""
    rows = str(picture.info.get(HEIGHT, ""))
    return picture.crop((0, 0, picture.width, int(rows))) if rows.isdecimal() else picture


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The lines of a text, at most `width` pixels each; a longer word is broken. None begins with a dot."""
    lines = [""]
    for word in text.replace(" · ", "\N{NO-BREAK SPACE}· ").split(" "):
        longer = f"{lines[-1]} {word}".lstrip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        while len(word) > 1 and font.getlength(word) > width:
            fits = max([1, *(n for n in range(len(word)) if font.getlength(word[:n]) <= width)])
            lines.append(word[:fits])
            word = word[fits:]
        lines.append(word)
    return [line for line in lines if line]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font of the plots, which comes with matplotlib: the same letters on every machine."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)
