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

# Each image is searched for twice, from two starts near the code that made it.
random, count = torch.Generator().manual_seed(1), 4 if TINY else 30
figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for name, generator, size in (("the GAN", gan, dim), ("with spare components", redundant, dim + spare)):
    codes = torch.randn(count, size, generator=random)
    starts = [codes + 0.3 * torch.randn(count, size, generator=random) for _ in range(2)]
    with torch.no_grad():
        images = generator(codes)
    search = {"prior": "normal", "steps": 5 if TINY else 150, "tolerance": 1e-8, "patience": None}
    first, second = (pi.invert(generator, images, init_codes=start, **search) for start in starts)
    rank = first.rank().found.rank
    print(f"{name}: rank {rank} of {size}")
    apart = (first.z - second.z).norm(dim=1)
    between = (first.reconstructions - second.reconstructions).square().mean((1, 2, 3))
    axes.scatter(between, apart, s=16, label=f"{name}: rank {rank} of {size}")
axes.set(xscale="log", yscale="log", xlabel="difference between the two images, squared, per pixel")
axes.set(ylabel="distance between the two codes")
axes.set_title("Thirty images, each found from two starts")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
figure.savefig("local_rank.png", dpi=110)
