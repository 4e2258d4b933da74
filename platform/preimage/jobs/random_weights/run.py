"""random-weights: how it runs."""

from dataclasses import dataclass
from functools import partial
from itertools import product

import torch

from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import invert
from preimage.jobs.base import Context, Result
from preimage.jobs.random_weights.figures import (
    AllReconstructions,
    Reconstructions,
    loss_by_step_png,
    reconstructions_png,
)
from preimage.jobs.random_weights.job import RandomWeightsJob
from preimage.jobs.random_weights.untrained import untrained
from preimage.models.config import DcganConfig
from preimage.random_streams import Stream, normal
from preimage.storage.folder import Folder
from preimage.work.trials import Results

SHOWN = 6
"""How many images of each dataset are drawn with their reconstructions."""
NEAR_ZERO = 1e-4
"""The standard deviation of the initial codes (flexible-priors, section E)."""


def run(job: RandomWeightsJob, context: Context) -> Result:
    """Reconstruct the first images of every dataset through every generator; draw and tabulate."""
    datasets = {name: context.dataset(data) for name, data in job.datasets.items()}
    trials = {
        _name(pair, number): ReconstructionTrial(datasets[pair[0]].folder, job.dcgan(*pair), number)
        for pair, number in product(job.pairs, range(job.networks))
    }
    results = context.run_trials(trials, partial(reconstruct, job), "reconstructing images")
    found = {
        pair: _joined(job.kept, [results[_name(pair, number)] for number in range(job.networks)])
        for pair in job.pairs
    }
    figures = {
        "losses.png": loss_by_step_png(found, job.after),
        "reconstructions.png": reconstructions_png(found, job.after),
    }
    return Result(_metrics(job, found), figures, _table(job, found))


@dataclass(frozen=True)
class ReconstructionTrial:
    """One dataset's images through one generator."""

    dataset: Folder
    generator: DcganConfig
    number: int


def _name(pair: tuple[str, int], number: int) -> str:
    return f"{pair[0]}-{pair[1]}-{number:03d}"


def reconstruct(job: RandomWeightsJob, trial: ReconstructionTrial, device: torch.device) -> Results:
    """`loss` (images, steps kept): of each image by step. `variance` (images,): the loss of its mean colour.
    `shown` (shown, 1 + steps shown, C, H, W): the first images, each followed by its reconstructions."""
    generator = untrained(trial.generator, Stream.UNTRAINED.seed(job.seed, trial.number))
    dataset = Dataset.open(trial.dataset)
    rows = dataset.read(0, min(job.images, dataset.count))
    images = to_float(rows.pixels)
    seed = Stream.UNTRAINED_STARTS.seed(job.seed, trial.number)
    start = NEAR_ZERO * normal(seed, rows.image_id, 0, trial.generator.latent_dim).to(device)
    settings = InversionConfig(  # one step more, to see the code after the last one
        solver=job.solver, lr=job.lr, steps=job.steps + 1, patience=None
    )
    kept = job.kept
    found = invert(generator, images, start, settings, keep=kept)
    codes = found.kept_z[:SHOWN, [kept.index(step) for step in job.after]]
    with torch.no_grad():
        made = generator(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
    return {
        "loss": found.kept_loss,
        "variance": images.var(dim=(2, 3), correction=0).mean(1),
        "shown": torch.cat([images[:SHOWN, None], made], dim=1),
    }


def _joined(steps: list[int], results: list[Results]) -> Reconstructions:
    """The losses of all networks, and the images of the first."""
    loss, variance = (torch.cat([each[name] for each in results]).numpy() for name in ("loss", "variance"))
    return Reconstructions(steps, loss, variance, results[0]["shown"])


def _metrics(job: RandomWeightsJob, found: AllReconstructions) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for (name, latent_dim), each in found.items():
        for step in (0, *job.after):
            metrics[f"loss_{name}_{latent_dim}_after_{step}"] = each.after(step)
        metrics[f"explained_{name}_{latent_dim}"] = each.explained(job.after[-1])
        metrics[f"rises_{name}_{latent_dim}"] = each.rises
    shares = [each.explained(job.after[-1]) for each in found.values()]
    return metrics | {"best_explained": max(shares), "worst_explained": min(shares)}


def _table(job: RandomWeightsJob, found: AllReconstructions) -> str:
    steps = (0, *job.after)
    lines = [
        f"# Squared error per pixel, {job.images} images each, {job.networks} untrained generators of width "
        f"{job.base_channels} and kernel {job.kernel_size}, {job.solver} at rate {job.lr:g}",
        "",
        "The paper prints no numbers: the error decreases steadily and reaches a low value very quickly "
        "(figure 6), and the outline is recognised after 5 steps (figure 7). It does not say of how many "
        "components the codes were; its other experiments have 20.",
        "",
        f"Rises: how often the mean error is higher than before, among {len(job.kept) - 1} steps up to "
        f"{job.steps}.",
        "",
        *([remark, ""] if (remark := job.paper.remark(job)) else []),
        "| images | components | over an image's numbers | "
        + " | ".join(f"after {step}" for step in steps)
        + " | mean colour alone | variance explained | rises |",
        "|---" * (len(steps) + 6) + "|",
    ]
    for (name, latent_dim), each in found.items():
        share = latent_dim / each.shown[0, 0].numel()
        means = " | ".join(f"{each.after(step):.4f}" for step in steps)
        lines.append(
            f"| {name} | {latent_dim} | {share:.3f} | {means} | {each.variance.mean():.4f} | "
            f"{each.explained(steps[-1]):.0%} | {each.rises} |"
        )
    return "\n".join(lines) + "\n"
