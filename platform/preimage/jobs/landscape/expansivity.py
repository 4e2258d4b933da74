"""When codes can be recovered through a two-layer ReLU net of random weights, by its channels (theorem 1)."""

from functools import partial
from itertools import product

import torch
from torch import Tensor

from preimage.config import Config, PositiveInt
from preimage.inversion import Engine, InversionConfig
from preimage.jobs.base import Context
from preimage.jobs.landscape.figures import Cell
from preimage.latents.priors import Normal
from preimage.models.random_nets import RandomNet, expansivity
from preimage.random_streams import Stream
from preimage.work.trials import Results

RECOVERED = 1e-4
"""A code is recovered where its squared error, averaged over components, is below this (precise-recovery)."""
SAME_IMAGE = 1e-6
"""A residual below this fraction of an image's mean square counts as none."""
FULL_RANK = 1e-6
"""A Jacobian has full rank where its smallest singular value is above this fraction of the largest."""


class SweepConfig(Config):
    """Recovery through two-layer ReLU nets with the theorem's weights, stride and kernel equal."""

    latent_dim: PositiveInt = 8
    """C0, the channels of the code."""
    kernel: PositiveInt = 2
    first: tuple[PositiveInt, ...] = (2, 4, 8, 16, 32)
    """C1, the first layer's channels."""
    second: tuple[PositiveInt, ...] = (1, 2, 4, 8, 16, 32)
    """C2, the second layer's."""
    networks: PositiveInt = 8
    """Networks for each pair of C1 and C2."""
    codes: PositiveInt = 32
    """Codes z* to recover in each network, each from one random start."""
    inversion: InversionConfig = InversionConfig(
        solver="adam", lr=0.1, lr_halving_steps=100, steps=400, patience=None
    )

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The pairs (C1, C2) that are tried."""
        return list(product(self.first, self.second))

    @property
    def searches(self) -> int:
        """Searches for a code, two for each."""
        return 2 * len(self.pairs) * self.networks * self.codes


def sweep_channels(config: SweepConfig, seed: int, context: Context) -> list[Cell]:
    """Run one trial for each pair of channels."""
    pairs = {f"channels-{a}-{b}": (a, b) for a, b in config.pairs}
    results = context.run_trials(pairs, partial(recover_codes, config, seed), "recovering codes")
    return [_cell(config, *pair, results[name]) for name, pair in pairs.items()]


def recover_codes(
    config: SweepConfig, seed: int, channels: tuple[int, int], _device: torch.device
) -> Results:
    """What happened to each code of each network, (networks, codes) bool.

    `recovered`: the search from its start finds it; `recovered_negative`: the better of that search and one
    from -z_hat finds it; `another_code`: the better one finds another code with the same image; `full_rank`:
    the Jacobian at z* has full rank, without which codes near it have the same image.
    """
    each = [
        _recover_in(config, channels, Stream.EXPANSIVITY.seed(seed, number))
        for number in range(config.networks)
    ]
    return {name: torch.stack([one[name] for one in each]) for name in each[0]}


def _recover_in(config: SweepConfig, channels: tuple[int, int], seed: int) -> Results:
    net = RandomNet(
        (config.latent_dim, *channels), config.kernel, config.kernel, "relu", "theorem", "unit", seed
    )
    random = Stream.EXPANSIVITY_CODES.generator(seed)
    codes, starts = torch.randn(2, config.codes, config.latent_dim, generator=random)
    images = net(codes)
    engine = Engine(net, config.inversion, Normal(config.latent_dim), seed=seed, started=True)
    first = engine.invert(images, starts)
    second = engine.invert(images, -first.z)
    other = (second.loss < first.loss)[:, None]
    best, loss = torch.where(other, second.z, first.z), torch.minimum(first.loss, second.loss)
    recovered = _is_recovered(best, codes)
    same_image = loss <= SAME_IMAGE * images.square().flatten(1).mean(1)
    return {
        "recovered": _is_recovered(first.z, codes),
        "recovered_negative": recovered,
        "another_code": same_image & ~recovered,
        "full_rank": _full_rank(net, codes),
    }


def _is_recovered(found: Tensor, codes: Tensor) -> Tensor:
    return (found - codes).square().mean(1) < RECOVERED


def _full_rank(net: RandomNet, codes: Tensor) -> Tensor:
    """Whether the Jacobian (pixels, d) at each code (n, d) has rank d: (n,) bool."""
    jacobian = torch.func.vmap(torch.func.jacfwd(lambda code: net(code[None])[0].flatten()))(codes)
    values = torch.linalg.svdvals(jacobian.double())
    enough = values.shape[1] == codes.shape[1]
    return enough & (values[:, -1] > FULL_RANK * values[:, 0])


def _cell(config: SweepConfig, first: int, second: int, results: Results) -> Cell:
    ratios = expansivity((config.latent_dim, first, second), config.kernel)
    return Cell(first, second, ratios, {name: each.float().mean().item() for name, each in results.items()})


def sweep_table(config: SweepConfig, cells: list[Cell]) -> str:
    """Markdown, a row for each pair of channels."""
    columns = ("recovered", "recovered_negative", "another_code", "full_rank")
    lines = [
        f"# Codes of {config.latent_dim} components through two ReLU layers, {config.networks} networks of "
        f"{config.codes} codes each",
        "",
        "Theorem 1: recovered where both expansivities are above a constant that it does not give.",
        "",
        "| C1 | C2 | C1 l / (C0 log C0) | C2 l / (C1 log C1) | recovered | with a restart from -z_hat | "
        "same image, another code | Jacobian of full rank |",
        "|---" * 8 + "|",
    ]
    for cell in cells:
        ratios = " | ".join(f"{ratio:.2f}" for ratio in cell.ratios)
        shares = " | ".join(f"{cell.shares[name]:.1%}" for name in columns)
        lines.append(f"| {cell.first} | {cell.second} | {ratios} | {shares} |")
    return "\n".join(lines) + "\n"
