"""Is the prior right?

A GAN is trained on codes drawn from a normal distribution. The codes of real images need not follow
it. PAG (Kilcher, Lucchi and Hofmann, 2017) says by how much they do not, from the singular values
of the codes: of the prior's own codes each is one.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch

import preimage as pi

TINY = "--tiny" in sys.argv

digits = pi.open(pi.run(Path(__file__).with_name("digits.yaml"), profile="tiny" if TINY else None))
images = digits.images().images[: 20 if TINY else 120]

# Searches from codes of the prior itself, stopped after fewer and more steps. (The paper starts at the
# origin. This GAN makes black there, and its gradient is exactly zero: no unit of its first layer is on.)
descent = {"solver": "adam", "lr": 0.05, "init_codes": "prior", "patience": None}
counts = (3, 6) if TINY else (10, 50, 200)
searches: dict[str, dict] = {f"Adam, {steps} steps": descent | {"steps": steps} for steps in counts}
searches["L-BFGS, 60 steps"] = {"steps": 3 if TINY else 60}

figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for name, settings in searches.items():
    found = pi.invert(digits.generator, images, **settings)
    agreement = found.pag()
    spectrum = agreement.singular_values / agreement.count**0.5
    label = f"{name}: error {found.loss.mean():.4f}, PAG {agreement.pag:.1f}"
    axes.plot(range(1, len(spectrum) + 1), spectrum, "o-", markersize=3, label=label)

# As many codes, drawn from the prior itself: the spectrum of a finite sample is not quite flat
# either.
drawn = digits.prior.sample(len(images), torch.Generator().manual_seed(1))
flat = torch.linalg.svdvals(drawn.double()) / len(drawn) ** 0.5
axes.plot(range(1, len(flat) + 1), flat, "k--", label="codes drawn from the prior")
axes.set(xlabel="direction of the codes, by their spread", ylabel="singular value of the codes / √N")
axes.legend(frameon=False, fontsize=9)
axes.set_title("The longer the search, the further its codes are from the prior")
axes.spines[["top", "right"]].set_visible(False)
figure.savefig("prior_agreement.png", dpi=110)
