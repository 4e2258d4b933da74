"""Complete an image from a part of it.

A code explains a whole image. So a code that fits the visible part says what the rest may be.
Searches from several starts end at several codes: where they agree, the visible part decides; where
they differ, it does not.

The prior has no part in the loss, so not all of them are digits, and the one that fits the visible
part best need not look best.
"""

import sys
from pathlib import Path

import torch

import preimage as pi

SIZE = "tiny" if "--tiny" in sys.argv else None
DRAWS = 7

digits = pi.open(pi.run(Path(__file__).with_name("digits.yaml"), profile=SIZE))
given = digits.images()
images = torch.stack([given.images[given.labels.tolist().index(label)] for label in (3, 4, 5, 8)])

# Each image is searched for several times, and each search draws its own start from the prior. Only
# the upper half counts: what the lower one holds plays no part.
copies = images.repeat_interleave(DRAWS, dim=0)
visible = {"mask": "top", "rate": 0.5}
found = pi.invert(digits.generator, copies, measurement=visible, init_codes="prior", solver="adam", steps=150)
completed = found.reconstructions.unflatten(0, (len(images), DRAWS))
loss = found.loss.unflatten(0, (len(images), DRAWS))

seen = images.clone()
seen[:, :, seen.shape[2] // 2 :] = 0  # grey
rows = {}
for i, label in enumerate((3, 4, 5, 8)):
    best = completed[i, loss[i].argsort()]
    rows[f"a {label}"] = torch.cat([images[i : i + 1], seen[i : i + 1], best])
captions = ["image", "seen", "best fit", *[f"{n}." for n in range(2, DRAWS + 1)]]
pi.picture(rows, title="The upper half, and what it may be the upper half of", captions=captions).save(
    "complete.png"
)
