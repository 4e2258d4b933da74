"""Is the code determined at all?

Two searches can make the same image and end at different codes. Then nothing computed from the
codes means much: neither their distances nor how well they agree with a prior. The local rank says
so beforehand: in how many directions of the latent space an image changes.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn

import preimage as pi

TINY = "--tiny" in sys.argv
SIZE = "tiny" if TINY else None

digits = pi.open(pi.run(Path(__file__).with_name("digits.yaml"), profile=SIZE))
gan, dim = digits.generator, digits.prior.latent_dim

# The same generator, behind a layer that maps more numbers to its code. It makes the same images, but
# some directions of its larger codes change nothing.
torch.manual_seed(1)
spare = 4
redundant = nn.Sequential(nn.Linear(dim + spare, dim, bias=False), gan).requires_grad_(False)
nn.init.orthogonal_(redundant[0].weight)  # pyright: ignore[reportArgumentType]

# Images that the generator made can be found exactly, so two searches should meet again.
with torch.no_grad():
    images = gan(torch.randn(4 if TINY else 24, dim))
axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)[1]
for plot, (name, generator) in zip(
    axes, {"the GAN": gan, "with spare components": redundant}.items(), strict=True
):
    searches = [
        pi.invert(
            generator, images, prior="normal", init_codes="prior", seed=seed, restarts=3, tolerance=1e-9
        )
        for seed in (1, 2)
    ]
    rank = searches[0].rank()
    both = [each.loss < 1e-6 for each in searches]  # the same image twice, to the eye and beyond
    same = both[0] & both[1]
    apart = (searches[0].z - searches[1].z)[same].norm(dim=1)
    print(f"{name}: rank {rank.found.rank} of {rank.latent_dim}, condition {rank.found.condition_number:.3g}")
    loss = torch.maximum(*(each.loss for each in searches))[same]
    plot.scatter(loss, apart, s=14)
    plot.set(xscale="log", xlabel="loss of the worse of two searches, per pixel")
    plot.set_title(f"{name}: rank {rank.found.rank} of {rank.latent_dim}", fontsize=11)
    plot.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("distance between the two codes")
plt.suptitle("Images found twice, from different starts")
plt.savefig("local_rank.png", dpi=110)
