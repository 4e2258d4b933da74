"""random-weights: reconstruct real images through generators that were never trained."""

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from preimage.config import PositiveFloat, PositiveInt
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.inversion import InversionConfig, invert
from preimage.inversion.counter_rng import normal
from preimage.jobs.config import JobConfig
from preimage.jobs.context import Context, Result
from preimage.jobs.random_weights.figures import Found, Reconstructions, loss_by_step_png, reconstructions_png
from preimage.latents.priors import make_prior
from preimage.models.config import FIRST_SIDE, DcganConfig
from preimage.models.dcgan import Generator, build_pair
from preimage.storage.folder import Folder
from preimage.work.reproducible import seed_of
from preimage.work.trials import Results, run_trials

HEADLINE = ("best_explained", "worst_explained")

SHOWN = 6
"""Images of each dataset whose reconstructions are shown."""
CURVE = 80
"""Points of a loss curve, about."""
NEAR_ZERO = 1e-4
"""The standard deviation of codes at the start (flexible-priors, section E)."""


class RandomWeightsConfig(JobConfig):
    """Reconstruct real images through untrained generators (flexible-priors, section C, figures 6 and 7)."""

    job: Literal["random-weights"] = "random-weights"
    datasets: dict[Annotated[str, Field(pattern=r"^[\w-]+$")], DataConfig]
    """The images, by the name that they have in tables and figures."""
    latent_dims: tuple[PositiveInt, ...] = (20, 200, 2000)
    """Components of a code. The paper names 20 for its other experiments and none for this one."""
    kernel_size: Annotated[int, Field(ge=3, le=9)] = 4
    base_channels: PositiveInt = 64
    """Filters of the layer next to the image."""
    images: PositiveInt = 256
    """Images of each dataset."""
    networks: PositiveInt = 4
    """Generators, each with random weights of its own, that the images are reconstructed through."""
    solver: Literal["adam", "gradient-descent", "momentum", "rmsprop"] = "adam"
    lr: PositiveFloat = 0.05
    steps: PositiveInt = 400
    after: tuple[PositiveInt, ...] = (5, 20, 400)
    """Steps whose reconstructions are shown, and losses given."""

    @model_validator(mode="after")
    def _that_can_be_done(self) -> "RandomWeightsConfig":
        if not self.datasets or not self.latent_dims:
            raise ValueError("datasets and latent_dims must each name one at least")
        sizes = ", ".join(map(str, FIRST_SIDE))
        for name, data in self.datasets.items():
            if data.size not in FIRST_SIDE:
                raise ValueError(f"datasets.{name}.size must be one of {sizes}, but is {data.size}")
        if not self.after or max(self.after) > self.steps:
            raise ValueError(f"after must name steps up to {self.steps}, but is {list(self.after)}")
        return self

    @property
    def kept(self) -> list[int]:
        """Steps whose losses make the curve: those asked for, and others, dense at first."""
        spaced = {round(self.steps ** (i / CURVE)) for i in range(CURVE + 1)}
        return sorted({0, *self.after} | spaced)

    def generator(self, dataset: str, latent_dim: int) -> DcganConfig:
        data = self.datasets[dataset]
        return DcganConfig.model_validate(
            {
                "latent_dim": latent_dim,
                "prior": "normal",
                "image_size": data.size,
                "channels": data.channels,
                "kernel_size": self.kernel_size,
                "base_channels": self.base_channels,
            }
        )


def cost(config: RandomWeightsConfig, images: int | None) -> dict[str, int]:
    """A step is a forward and a reverse pass."""
    searches = len(config.datasets) * len(config.latent_dims) * config.images * config.networks
    return {"searches": searches, "generator evaluations at most": 2 * searches * (config.steps + 1)}


@dataclass(frozen=True)
class Trial:
    """One dataset through one generator."""

    dataset: Folder
    generator: DcganConfig
    number: int


def run(config: RandomWeightsConfig, context: Context) -> Result:
    """Reconstruct the first images of every dataset through every generator; draw and tabulate."""
    datasets = {name: context.dataset(data) for name, data in config.datasets.items()}
    kinds = list(product(datasets, config.latent_dims))
    trials = {
        _name(kind, number): Trial(datasets[kind[0]].folder, config.generator(*kind), number)
        for kind, number in product(kinds, range(config.networks))
    }
    results = run_trials(context, trials, partial(reconstruct, config), "reconstructing images")
    found = {
        kind: _joined(config.kept, [results[_name(kind, number)] for number in range(config.networks)])
        for kind in kinds
    }
    figures = {
        "losses.png": loss_by_step_png(found, config.after),
        "reconstructions.png": reconstructions_png(found, config.after),
    }
    for name, png in figures.items():
        context.run.figures.write(name, png)
    context.run.figures.write("table.md", _table(config, found).encode())
    return Result(_metrics(config, found), ("table.md", *figures))


def _name(kind: tuple[str, int], number: int) -> str:
    return f"{kind[0]}-{kind[1]}-{number:03d}"


def reconstruct(config: RandomWeightsConfig, trial: Trial) -> Results:
    """The loss (images, steps kept) of each image by step, its variance (images,), which is the loss of its
    mean colour, and the first beside what they look like (shown, 1 + steps shown, C, H, W)."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = untrained(trial.generator, seed_of(config.seed, trial.number))
    dataset = Dataset.open(trial.dataset)
    rows = dataset.read(0, min(config.images, dataset.count))
    images = to_float(rows.pixels)
    seed = seed_of(config.seed, trial.number, 1)
    start = NEAR_ZERO * normal(seed, rows.image_id, 0, trial.generator.latent_dim).to(device)
    settings = InversionConfig(  # the code after the last step is looked at, too
        solver=config.solver, lr=config.lr, steps=config.steps + 1, patience=None
    )
    kept = config.kept
    found = invert(generator, images, start, settings, keep=kept)
    codes = found.kept_z[:SHOWN, [kept.index(step) for step in config.after]]
    with torch.no_grad():
        made = generator(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    return {
        "loss": found.kept_loss,
        "variance": images.var(dim=(2, 3), correction=0).mean(1),
        "shown": torch.cat([images[:SHOWN, None], made], dim=1),
    }


def untrained(config: DcganConfig, seed: int) -> Generator:
    """A generator of random weights. In eval mode a BatchNorm needs statistics: here they are those of its
    own inputs for codes of the prior."""
    generator, _ = build_pair(config, seed)
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    random = torch.Generator().manual_seed(seed)
    prior = make_prior(config.prior, config.latent_dim)
    with torch.no_grad():
        for _ in range(8):
            generator(prior.sample(64, random))
    return generator.eval()


def _joined(steps: list[int], results: list[Results]) -> Reconstructions:
    """Those of all networks; what they look like of the first."""
    loss, variance = (torch.cat([each[name] for each in results]).numpy() for name in ("loss", "variance"))
    return Reconstructions(steps, loss, variance, results[0]["shown"])


def _metrics(config: RandomWeightsConfig, found: Found) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    for (name, latent_dim), each in found.items():
        for step in (0, *config.after):
            metrics[f"loss_{name}_{latent_dim}_after_{step}"] = each.after(step)
        metrics[f"explained_{name}_{latent_dim}"] = each.explained(config.after[-1])
    shares = [each.explained(config.after[-1]) for each in found.values()]
    return metrics | {"best_explained": max(shares), "worst_explained": min(shares)}


def _table(config: RandomWeightsConfig, found: Found) -> str:
    steps = (0, *config.after)
    lines = [
        f"# Squared error per pixel, {config.images} images each, {config.networks} untrained generators",
        "",
        "The paper prints no numbers: the error decreases steadily and reaches a low value very quickly "
        "(figure 6), and the outline is recognised after 5 steps (figure 7). It does not say of how many "
        "components the codes were; its other experiments have 20.",
        "",
        "| images | components | per number of an image | "
        + " | ".join(f"after {step}" for step in steps)
        + " | mean colour alone | variance explained |",
        "|---" * (len(steps) + 5) + "|",
    ]
    for (name, latent_dim), each in found.items():
        share = latent_dim / each.shown[0, 0].numel()
        means = " | ".join(f"{each.after(step):.4f}" for step in steps)
        lines.append(
            f"| {name} | {latent_dim} | {share:.3f} | {means} | {each.variance.mean():.4f} | "
            f"{each.explained(steps[-1]):.0%} |"
        )
    return "\n".join(lines) + "\n"
