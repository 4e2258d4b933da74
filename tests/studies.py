"""Studies of a second a trial, and what of a record has to be the same however it came about."""

from pathlib import Path
from typing import Any

import yaml

from preimage.specs.study import StudySpec, loads_study
from preimage.tuning.plan import StudyPlan, plan_study
from preimage.tuning.records import TrialRecord

JOB = {
    "job": "train-gan",
    "data": {"source": "digits", "size": 16, "channels": 1, "max_images": 200},
    "model": {"latent_dim": 4, "prior": "normal", "kernel_size": 4, "base_channels": 4},
    "training": {
        "total_images": 480,
        "batch_size": 24,
        "log_every": 48,
        "sample_every": 240,
        "checkpoint_every": 96,
    },
    "resources": {"backend": "local", "gpu": False, "checkpoint_seconds": 0},
}
GRID = {
    "trial": JOB,
    "space": {
        "model.kernel_size": {"choice": [3, 4]},
        "optimizer.name": {"choice": ["adam", "sgd"]},
        "optimizer.momentum": {"choice": [0.0, 0.9], "when": {"optimizer.name": "sgd"}},
    },
    "objectives": {"generator_loss": "minimize", "discriminator_loss": "minimize"},
    "sampler": {"name": "grid"},
}
"""Six points."""
LEARNING_RATES = {
    "trial": JOB,
    "space": {
        "optimizer.lr": {"log-uniform": [1e-5, 1e-1]},
        "optimizer.name": {"choice": ["adam", "sgd"]},
        "optimizer.momentum": {"uniform": [0.0, 0.9], "when": {"optimizer.name": "sgd"}},
    },
    "objectives": {"generator_loss": "minimize"},
    "sampler": {"name": "tpe", "n_startup_trials": 3},
    "scheduler": {"name": "asha", "metric": "generator_loss", "min_resource": 96, "reduction_factor": 2},
    "trials": 10,
    "parallel": 2,
}
PIPELINE = {
    "resources": {"backend": "local", "gpu": False, "checkpoint_seconds": 0},
    "steps": {
        "train": {key: part for key, part in JOB.items() if key != "resources"},
        "codes": {"job": "invert", "generator": "train", "inversion": {"steps": 5}},
        "prior": {"job": "pag", "store": "codes"},
    },
}


def text_of(study: dict[str, Any], results: Path, tracking: str = "none") -> str:
    head = {"results": str(results), "tracking": {"uri": tracking}}
    return yaml.safe_dump(head | study, sort_keys=False)


def study_of(study: dict[str, Any], results: Path, *changes: str, tracking: str = "none") -> StudySpec:
    return loads_study(text_of(study, results, tracking), "study.yaml", "tiny", None, changes)


def planned(study: dict[str, Any], results: Path, *changes: str, tracking: str = "none") -> StudyPlan:
    return plan_study(study_of(study, results, *changes, tracking=tracking))


def same(records: list[TrialRecord]) -> list[dict[str, Any]]:
    """Records without what depends on the machine, the moment and the folder."""
    gone = {"seconds", "folder", "samples", "traceback", "metrics"}
    kept = [each.model_dump(exclude=gone) for each in records]
    for each, record in zip(kept, records, strict=True):
        each["metrics"] = {name: value for name, value in record.metrics.items() if "per_second" not in name}
    return kept
