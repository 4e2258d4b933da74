"""Train on a store of codes, the same each time.

A store's loader gives shuffled batches: the same on any number of workers, and the same after an
interruption, because its place is a few numbers that fit a checkpoint. Here a classifier learns to
read digits from their codes alone; then again, interrupted; and again, by two workers that take
half of every batch each.
"""

import json
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

import preimage as pi

SIZE = "tiny" if "--tiny" in sys.argv else None
EPOCHS, BATCH = 8, 50
glo = pi.open(pi.run(Path(__file__).with_name("glo.yaml"), profile=SIZE))
scale = glo.store.head(len(glo.store)).z.std()


class Reader:
    """A small network, its optimizer, and what it has lost so far."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.network = nn.Sequential(nn.Linear(glo.store.latent_dim, 128), nn.ReLU(), nn.Linear(128, 10))
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        self.losses: list[float] = []

    def loss(self, z: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.network(z / scale), labels.long(), reduction="sum") / BATCH

    def step(self, *losses: Tensor) -> None:
        """Add the gradients of a batch's parts, as workers do."""
        self.optimizer.zero_grad()
        for each in losses:
            each.backward()
        self.optimizer.step()
        self.losses.append(sum(each.item() for each in losses))


def loader(rank: int = 0, world_size: int = 1):
    columns = ("z", "label")
    return glo.store.loader(BATCH, seed=1, columns=columns, rank=rank, world_size=world_size)


# Once from beginning to end.
plain, batches = Reader(), loader()
for _ in range(EPOCHS):
    for codes in batches:
        plain.step(plain.loss(codes.z, codes.label))

# Interrupted in the third epoch. Where the loader was is JSON; another loader continues after that
# batch.
stopped, batches = Reader(), loader()
while len(stopped.losses) < int(2.5 * len(batches)):
    for codes in batches:
        stopped.step(stopped.loss(codes.z, codes.label))
        if len(stopped.losses) == int(2.5 * len(batches)):
            break
place = json.dumps(batches.state_dict())
batches = loader()
batches.load_state_dict(json.loads(place))
for _ in range(batches.epoch, EPOCHS):
    for codes in batches:
        stopped.step(stopped.loss(codes.z, codes.label))
assert stopped.losses == plain.losses

# Two workers: each reads its half of every batch. The sums of their gradients are those of the whole
# batch.
shared, workers = Reader(), [loader(rank, world_size=2) for rank in (0, 1)]
for _ in range(EPOCHS):
    for halves in zip(*workers, strict=True):
        shared.step(*(shared.loss(half.z, half.label) for half in halves))
apart = max(abs(a - b) for a, b in zip(plain.losses, shared.losses, strict=True))

figure, axes = plt.subplots(figsize=(7.5, 4), layout="constrained")
curves = {
    "uninterrupted": plain,
    "interrupted: equal": stopped,
    f"two workers: {apart:.0e} apart at most": shared,
}
for (name, reader), style in zip(curves.items(), ("-", "--", ":"), strict=True):
    axes.plot(reader.losses, style, label=name, linewidth=3 - 0.7 * len(axes.lines))
axes.axvline(int(2.5 * len(batches)), color="grey", linewidth=0.8)
axes.set(xlabel="step", ylabel="cross-entropy of the batch", yscale="log")
axes.set_title("A classifier of codes, trained three times")
axes.legend(frameon=False)
axes.spines[["top", "right"]].set_visible(False)
figure.savefig("train_on_codes.png", dpi=110)
