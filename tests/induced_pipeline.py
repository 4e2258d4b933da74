"""The pipeline of an induced prior on a few digits: two rounds, small enough for tests."""

import yaml

from preimage.specs.load import loads

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 200}
TRAINING = {
    "total_images": 480,
    "batch_size": 24,
    "log_every": 240,
    "sample_every": 480,
    "checkpoint_every": 240,
}
GAN = {"job": "train-gan", "data": DATA, "model": {"latent_dim": 4, "base_channels": 4}, "training": TRAINING}
INVERT = {
    "job": "invert",
    "generator": "train",
    "inversion": {"solver": "adam", "init_codes": "small-normal", "steps": 20, "patience": None},
}
PRIOR = {
    "job": "train-prior",
    "store": "invert",
    "generator": "train",
    "model": {"width": 16},
    "training": {
        "total_images": 960,
        "batch_size": 48,
        "log_every": 240,
        "checkpoint_every": 480,
        "sample_every": 960,
    },
}
MORE = GAN | {"resume_from": "train"}
STEPS = {"train": GAN, "invert": INVERT, "pag": {"job": "pag", "store": "invert"}}
REPEAT = {
    "prior": PRIOR,
    "train": MORE | {"prior": "prior"},
    "invert": INVERT,
    "pag": {"job": "pag", "store": "invert", "prior": "prior"},
}
STAGES = [
    *("before", "before + learned prior", "round 1", "round 1 + learned prior", "round 2", "control"),
]
CONTROL = {"control": MORE, "invert-control": INVERT | {"generator": "control"}}


def spec(results, **changes):
    report = {
        "job": "induced-prior",
        "generators": ["train"],
        "stores": ["invert"],
        "priors": ["prior"],
        "control": "control",
        "control_store": "invert-control",
        "classifier": str(results.parent / "classifier"),
        "images": 64,
    }
    body = {
        "results": str(results),
        "tracking": {"uri": "none"},
        "resources": {"backend": "local", "gpu": False},
        "steps": STEPS | CONTROL,
        "rounds": 2,
        "repeat": REPEAT,
        "finally": {"report": report},
    }
    return loads(yaml.safe_dump(body | changes, sort_keys=False), "test.yaml", "test")
