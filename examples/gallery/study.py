"""Compare settings in a study.

A study runs many trials of one job or pipeline, and ranks them. Steps that all trials share run
once. Trials may run in parallel, on a laptop or a cluster, and the result is the same.

This one finds more than a learning rate. From `small-normal`, codes close to the origin, nothing
moves at any rate: there this GAN's gradient is exactly zero.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import preimage as pi

TINY = "--tiny" in sys.argv
digits = pi.open(pi.run(Path(__file__).with_name("digits.yaml"), profile="tiny" if TINY else None))

# How should the paper's descent step? Every trial searches for the same codes at another learning
# rate, and from another start. The generator is the one above.
study = {
    "trial": {
        "job": "invert",
        "generator": digits.steps["gan"].name,
        "data": digits.steps["codes"].spec["data"] | {"max_images": 20 if TINY else 64},
        "inversion": {"solver": "adam", "steps": 5 if TINY else 50, "patience": None},
        "resources": {"backend": "local", "workers": 1, "cpus_per_worker": 1},
    },
    "space": {
        "inversion.lr": {"choice": [0.1, 1.0] if TINY else [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]},
        "inversion.init_codes": {"choice": ["small-normal", "prior", "regression"][: 1 if TINY else 3]},
    },
    "objectives": {"reconstruction_error": "minimize"},
    "sampler": {"name": "grid"},
    "tracking": {"uri": "none"},
}
print(pi.plan(study))  # what it would take; starts nothing
run = pi.open(pi.run(study))
print(run.table)  # ranked, the best first

# Every trial as it was recorded, for a picture of one's own; Optuna's are in run.figures.
figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for start in study["space"]["inversion.init_codes"]["choice"]:
    ended = [each for each in run.trials if each.params["inversion.init_codes"] == start]
    ended.sort(key=lambda each: each.params["inversion.lr"])
    rates = [each.params["inversion.lr"] for each in ended]
    axes.plot(rates, [each.values["reconstruction_error"] for each in ended], "o-", label=f"from {start}")
best = min(run.trials, key=lambda each: each.values["reconstruction_error"])
axes.annotate(
    "best",
    (best.params["inversion.lr"], best.values["reconstruction_error"]),
    (0, 8),
    textcoords="offset points",
    ha="center",
)
axes.set(xscale="log", xlabel="learning rate of Adam", ylabel="reconstruction error per pixel")
axes.set_title(f"{len(run.trials)} trials: the error after {study['trial']['inversion']['steps']} steps")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
figure.savefig("study.png", dpi=110)
