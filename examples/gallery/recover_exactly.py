"""Recover codes exactly.

An image that a generator made has a code that is known. Does a search find it again? *Precise
recovery of latent vectors* (Lipton and Tripathi, 2017) descends from random starts, and redraws
components that leave the prior's cube; L-BFGS takes the curvature into account.

Both do on this generator. Redrawing is the quickest of the three descents, though not by much, and
L-BFGS takes a twentieth of the steps.
"""

import sys

import matplotlib.pyplot as plt
import torch

import preimage as pi

TINY = "--tiny" in sys.argv

# A DCGAN that nobody trained: its weights are random, but its BatchNorms have seen images. It is
# easier to invert than a trained one, on which the paper's descent takes a hundred thousand steps.
untrained = {
    "job": "init-generator",
    "data": {"source": "digits", "size": 16, "channels": 1, "max_images": 40 if TINY else 1500},
    "model": {
        "latent_dim": 4 if TINY else 100,
        "prior": "uniform",
        "kernel_size": 5,
        "base_channels": 4 if TINY else 32,
    },
    "batchnorm": "settled",
    "resources": {"backend": "local", "workers": 1, "cpus_per_worker": 1},
    "tracking": {"uri": "none"},
}
run = pi.open(pi.run(untrained))
codes = run.prior.sample(3 if TINY else 24, torch.Generator().manual_seed(1))
with torch.no_grad():
    images = run.generator(codes)

# Searches of more and more steps. A step costs about one evaluation of the generator and its gradient.
descent = {"solver": "gradient-descent", "lr": 60.0, "init_codes": "prior", "patience": None}
searches: dict[str, dict] = {
    "gradient descent": descent,
    "gradient descent, clipped": descent | {"constraint": "clip"},
    "gradient descent, stochastically clipped": descent | {"constraint": "stochastic-clip"},
    "L-BFGS": {"solver": "lbfgs", "patience": None},
}
figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for (name, settings), style in zip(searches.items(), ("-", "--", ":", "-"), strict=True):
    counts = (3, 10, 20, 30, 40, 60) if name == "L-BFGS" else (10, 30, 100, 200, 400, 800)
    counts = counts[: 2 if TINY else None]
    found = [pi.invert(run.generator, images, prior="uniform", steps=each, **settings) for each in counts]
    errors = [(each.z - codes).square().mean(1) for each in found]
    label = f"{name}: {int((errors[-1] < 1e-4).sum())} of {len(codes)} after {counts[-1]}"
    axes.plot(counts, [each.median() for each in errors], style, marker="o", markersize=4, label=label)
axes.axhline(1e-4, color="grey", linewidth=0.8)
axes.annotate("recovered, says the paper", (3, 1e-4), (0, -10), textcoords="offset points", fontsize=8)
axes.set(xscale="log", yscale="log", xlabel="steps of the search")
axes.set_ylabel("squared error of the code, median")
axes.set_title(f"Codes of {codes.shape[1]} numbers, found again from their images")
axes.legend(frameon=False, fontsize=9)
axes.spines[["top", "right"]].set_visible(False)
figure.savefig("recover_exactly.png", dpi=110)
