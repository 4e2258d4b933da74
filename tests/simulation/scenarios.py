"""Jobs in tiny sizes, as a user starts them: `preimage.run(SPEC, results=...)`."""

import io
import tarfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import preimage
from preimage.data.config import DataConfig
from preimage.data.preparing.prepare import prepare
from preimage.storage.folder import Folder
from simulation.cluster import submit
from simulation.crashes import ROOT, Scenario

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 40}
HEAD = {
    "tracking": {"uri": "jsonl"},
    "resources": {"backend": "local", "gpu": False, "checkpoint_seconds": 0},
}
LOOP = {"total_images": 32, "batch_size": 8, "log_every": 8, "sample_every": 16, "checkpoint_every": 8}
ONE_STEP = {"total_images": 8, "batch_size": 8, "log_every": 8, "sample_every": 8, "checkpoint_every": 8}
TRAIN = {"job": "train-gan", "data": DATA, "model": {"latent_dim": 3, "base_channels": 2}}
GAN = TRAIN | {"training": LOOP | {"select_by": "generator_loss"}}
SHORT = TRAIN | {"training": ONE_STEP}
GLO = TRAIN | {
    "job": "train-glo",
    "training": {"total_images": 80, "batch_size": 20, "log_every": 40, "sample_every": 80}
    | {"checkpoint_every": 40},
}
SEARCH = {"solver": "adam", "steps": 2, "batch_size": 20, "init_codes": "prior"}
INVERT = {"job": "invert", "inversion": SEARCH}
ROUNDS = {
    "rounds": 2,
    "repeat_while_improving": "pag.pag",
    "steps": {
        "pca": {"job": "pca", "data": DATA, "latent_dim": 2},
        "pag": {"job": "pag", "store": "pca", "std": 1.0},
    },
    "repeat": {
        "prior": {"job": "fit-prior", "store": "pca", "kind": "gaussian"},
        "pag": {"job": "pag", "store": "pca", "prior": "prior"},
    },
}
STUDY = {
    "name": "study",
    "trial": SHORT,
    "space": {"optimizer.lr": {"log-uniform": [1e-5, 1e-1]}},
    "objectives": {"generator_loss": "minimize"},
    "sampler": {"name": "tpe", "n_startup_trials": 1},
    "scheduler": {"name": "asha", "metric": "generator_loss", "min_resource": 8, "reduction_factor": 2},
    "trials": 2,
}
TRIALS = {
    "job": "random-weights",
    "datasets": {"digits": DATA},
    "latent_dims": [2],
    "base_channels": 2,
    "images": 4,
    "networks": 2,
    "steps": 2,
    "after": [1, 2],
}


def digits() -> None:
    """Images that are there already."""
    prepare(DataConfig.model_validate(DATA), Folder.at(ROOT) / "datasets", backend="local")


def run(spec: Mapping[str, Any]) -> None:
    preimage.run({**HEAD, **spec}, results=ROOT)


def trained() -> None:
    """A generator, which is there already."""
    digits()
    run(SHORT)


def invert() -> None:
    names = (Folder.at(ROOT) / "runs").names()
    run(INVERT | {"generator": next(name for name in names if name.startswith("train"))})


def study() -> None:
    trial = SHORT | {"resources": HEAD["resources"]}
    preimage.run({**STUDY, "trial": trial, "tracking": HEAD["tracking"]}, results=ROOT)


def tars(folder: Path) -> dict[str, Any]:
    """Images of one's own in two files that are read in order."""
    for first in (0, 6):
        with tarfile.open(folder / f"{first}.tar", "w") as archive:
            for number in range(first, first + 6):
                stream = io.BytesIO()
                Image.fromarray(np.full((8, 8), number, np.uint8)).save(stream, "PNG")
                info = tarfile.TarInfo(f"{number:04d}.png")
                info.size = stream.tell()
                archive.addfile(info, io.BytesIO(stream.getvalue()))
    return {"source": "webdataset", "path": str(folder), "size": 8, "channels": 1}


def preparation(data: Mapping[str, Any]) -> None:
    prepare(DataConfig.model_validate(data), Folder.at(ROOT) / "datasets", backend="local")


def scenarios(own_images: Path) -> dict[str, Scenario]:
    """own_images: a folder of this machine, for the images of a preparation."""
    data = tars(own_images)
    found = (
        Scenario("preparation", partial(preparation, data)),
        Scenario("train-gan", partial(run, GAN), digits),
        Scenario("train-glo", partial(run, GLO), digits),
        Scenario("invert", invert, trained),
        Scenario("trials", partial(run, TRIALS), digits),
        Scenario("rounds", partial(run, ROUNDS), digits),
        Scenario("study", study, digits),
        Scenario("submission", partial(submit, HEAD | SHORT, ROOT), digits),
    )
    return {each.name: each for each in found}
