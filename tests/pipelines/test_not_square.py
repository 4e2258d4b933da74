"""The road from files to codes, for images with an opacity that are not square."""

import io

import numpy as np
import pytest
from PIL import Image

from faulty import INVERT, planned
from preimage.errors import ClassifierError
from preimage.models.generator_folder import load_generator
from preimage.pipelines.describe import describe
from preimage.pipelines.execute import execute
from preimage.pipelines.prepare_images import with_images
from preimage.pipelines.progress import Silent
from stores import store_of

SHORT = {"total_images": 300, "batch_size": 30, "log_every": 60, "sample_every": 150, "checkpoint_every": 300}
NET = {"model": {"latent_dim": 3, "base_channels": 4}, "training": SHORT}
SEARCH = {"solver": "lbfgs", "steps": 4, "init_codes": "prior"}
STEPS = {
    "train": {"job": "train-gan", **NET},
    "glo": {"job": "train-glo", "loss": "lap1", **NET},
    "dfm": {"job": "train-dfm", "denoiser": {"depth": 1}, "feature_pool": 2, **NET},
    "classify": {"job": "train-classifier", "training": SHORT, "model": {"base_channels": 4}},
    "pca": {"job": "pca", "latent_dim": 3},
    "invert": INVERT | {"inversion": SEARCH},
    "pag": {"job": "pag", "store": "invert"},
    "half": INVERT | {"inversion": SEARCH | {"measurement": {"mask": "left"}}},
    "explore": {"job": "explore", "generator": "glo", "store": "glo", "conditions": 2, "draws": 2,
                "inversion": {"solver": "momentum", "steps": 3, "init_codes": "prior"}},
    "partial": {"job": "recover-partial", "generator": "train", "images": 4, "rates": [0.5],
                "inversion": SEARCH},
    "compare": {"job": "compare-reconstructions", "methods": {"GLO (Lap1)": "glo", "PCA": "pca"}},
    "evaluate": {"job": "evaluate", "generators": {"GAN": "train"}, "classifier": "classify",
                 "images": 20, "splits": 2},
}  # fmt: skip


@pytest.fixture
def data(tmp_path):
    """90 pictures of two classes, wider than they are high; their opacity falls from left to right."""
    random = np.random.default_rng(0)
    for number in range(90):
        pixels = random.integers(0, 256, (4, 6, 4), np.uint8)
        pixels[..., 3] = np.linspace(255, 40, 6)
        folder = tmp_path / "pictures" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((33, 20), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    source = {"source": "folder", "path": str(tmp_path / "pictures")}
    return source | {"size": [16, 24], "channels": 4, "max_images": 60}


def test_every_job_takes_them(tmp_path, data):
    needs_data = ("train", "glo", "dfm", "classify", "pca")
    steps = {name: step | ({"data": data} if name in needs_data else {}) for name, step in STEPS.items()}
    plan = with_images(planned(tmp_path / "results", steps), Silent())
    assert "4 x 16 x 24" in str(describe(plan))
    outcome = execute(plan)
    runs = {step.name: step.run for step in plan.steps}
    generator, card = load_generator(runs["train"].product("generator"))
    assert card.generator.shape == (4, 16, 24)
    codes = store_of(runs["invert"]).head(60)
    assert generator(codes.z).shape == (60, 4, 16, 24)
    assert outcome.metrics["pag.pag"] > 0
    assert outcome.metrics["compare.images"] == 60
    opacity = np.asarray(Image.open(io.BytesIO(runs["train"].figures.read("samples.png"))))[..., 3]
    assert opacity.min() < 255 == opacity[0, 0]


def test_inception_does_not_take_an_opacity(tmp_path, data):
    score = {"data": data, "score": {"images": 10}}
    with pytest.raises(ClassifierError, match="1 or 3 channels, but these have 4"):
        planned(tmp_path / "results", {"train": STEPS["train"] | score})
