"""Recover codes exactly.

An image that a generator made has a code that is known. Does a search find it again? *Precise
recovery of latent vectors* (Lipton and Tripathi, 2017) descends from random starts, and redraws
components that leave the prior's cube; L-BFGS takes the curvature into account.
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

# Searches of more and more steps. A step costs about one evaluation of the generator and its
# gradient.
descent = {"solver": "gradient-descent", "lr": 60.0, "init_codes": "prior", "patience": None}
searches = {
    "gradient descent": descent,
    "gradient descent, clipped": descent | {"constraint": "clip"},
    "gradient descent, stochastically clipped": descent | {"constraint": "stochastic-clip"},
    "L-BFGS": {"solver": "lbfgs", "patience": None},
}
steps = (2, 5) if TINY else (10, 30, 100, 300, 1000)
for name, settings in searches.items():
    shares = []
    for most in steps if name != "L-BFGS" or TINY else (3, 10, 20, 30, 60, 100):
        found = pi.invert(run.generator, images, prior="uniform", steps=most, **settings)
        exact = (found.z - codes).square().mean(1) < 1e-4  # the paper's measure and its finest threshold
        shares.append((most, exact.double().mean().item()))
    print(name, shares)
    plt.plot(*zip(*shares, strict=True), "o-", label=name)
plt.gcf().set_size_inches(7.5, 4.2)
plt.xscale("log")
plt.xlabel("steps of the search")
plt.ylabel("share of the codes recovered")
plt.title(f"{len(codes)} codes of {codes.shape[1]} numbers, found again from their images")
plt.legend(frameon=False)
plt.gca().spines[["top", "right"]].set_visible(False)
plt.tight_layout()
plt.savefig("recover_exactly.png", dpi=110)
