"""See what your own network cannot make.

Any `torch.nn.Module` from codes to images can be inverted. The images with the highest loss are
those that it cannot reach, whatever the code. This one has never seen a 7, and inversion finds that
out.
"""

import sys

import torch
from torch import nn

import preimage as pi

TINY = "--tiny" in sys.argv
UNSEEN = 7
digits = pi.load_images("mnist-5000", size=28, channels=1, max_images=40 if TINY else 4000)
seen = digits.images[digits.labels != UNSEEN]

# A variational autoencoder in plain torch: Preimage knows nothing of it.
torch.manual_seed(1)
encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 2 * 12))
decoder = nn.Sequential(
    nn.Linear(12, 400), nn.ReLU(), nn.Linear(400, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))
)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
for _ in range(2 if TINY else 40):
    for batch in seen[torch.randperm(len(seen))].split(100):
        mean, log_variance = encoder(batch).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
        loss = 784 * (decoder(z) - batch).square().mean() + divergence
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

# Its decoder is the generator, and the codes' prior is the one that it was trained with. The encoder
# is not asked: inversion finds the best code that there is, where an encoder only estimates one.
few = slice(0, 40 if TINY else 600)
found = pi.invert(decoder, digits.images[few], prior="normal", labels=digits.labels[few])
print(found.to_pandas().groupby("label").loss.describe())

# Of each class the digit with the highest loss. The network draws a 9 or a 4 for the unseen 7 where
# it can.
worst = [found[found.labels == label].worst(1) for label in range(10)]
captions = [f"{label}: {found.loss[found.labels == label].mean():.3f}" for label in range(10)]
captions[UNSEEN] += "\nnever seen"
rows = {
    "worst of\nits class": torch.cat([each.images for each in worst]),
    "nearest that\nthe network\ncan make": torch.cat([each.reconstructions for each in worst]),
}
pi.picture(rows, title="Each class, and its mean loss", captions=captions).save("own_network.png")
