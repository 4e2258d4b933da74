import io

import numpy as np
import torch
from PIL import Image

from preimage.jobs.compare_reconstructions.figures import (
    Errors,
    errors_png,
    explained_png,
    image_lines_png,
    table_png,
)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def test_lines_of_images_stand_one_below_the_other_each_with_its_name():
    shades = (-1.0, 0.0, 1.0)
    lines = [(f"line {i}", torch.full((4, 1, 16, 16), shade)) for i, shade in enumerate(shades)]
    picture = pixels(image_lines_png(lines))
    height, width = picture.shape
    centres = [picture[int((row + 0.5) * height / 3), width * 15 // 16] for row in range(3)]
    assert centres == [0, 128, 255]
    names = picture[:, : width // 6]
    assert all((part < 100).any() for part in np.array_split(names, 3)), "every line has a name"


def test_plots_are_pictures_whatever_the_paper_has():
    mse, lap1 = {"PCA": 0.02, "GLO (L2)": 0.01}, {"PCA": 0.5, "GLO (L2)": 0.25}
    curves = {"PCA": torch.tensor([0.9, 1.0]), "GLO (L2)": torch.tensor([0.5, 0.75, 1.0])}
    alone = pixels(errors_png(mse, lap1, {}))
    beside = pixels(errors_png(mse, lap1, {"PCA": 0.016}))
    for picture in (alone, beside, pixels(explained_png(curves))):
        assert picture.std() > 1
    assert alone.shape != beside.shape or (alone != beside).any(), "the paper's error is drawn"


def test_one_method_that_the_paper_does_not_have_is_drawn_too():
    assert errors_png({"PCA": 0.1}, {"PCA": 0.2}, {})[:4] == b"\x89PNG"


def test_datasets_stand_below_each_other_with_the_papers_errors_as_rings():
    ours = {"PCA": 0.02, "GLO (L2)": 0.01}
    one = pixels(table_png({"MNIST": Errors(ours, {})}))
    ringed = pixels(table_png({"MNIST": Errors(ours, {"PCA": 0.016})}))
    two = pixels(table_png({"MNIST": Errors(ours, {}), "mine": Errors({"other": 0.5}, {})}))
    assert one.shape == ringed.shape
    assert (one != ringed).any()
    assert two.shape[0] > one.shape[0]
