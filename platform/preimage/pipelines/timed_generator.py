"""Time a generator: how many images a second it makes, forward and backward."""

import time

import torch
from torch import nn

from preimage.inversion.labels import classes_of, generate, spread_labels
from preimage.models.build import build_generator
from preimage.models.generator_folder import load_generator
from preimage.pipelines.plan import Plan, PlannedStep

BATCH = 64
SECONDS = 0.5
"""How long it is timed."""


def evaluations_per_second(plan: Plan, *steps: PlannedStep) -> float | None:
    """Evaluations a second, on as many cores as the steps ask for: one image forward or backward is one.

    Of the first generator that one of the steps makes or takes, or that is made for it; None without one."""
    generator = _generator(plan, steps)
    if generator is None:
        return None
    before = torch.get_num_threads()
    torch.set_num_threads(max(step.job.resources.cpus_per_worker for step in steps))
    try:
        return _timed(generator)
    finally:
        torch.set_num_threads(before)


def _generator(plan: Plan, steps: tuple[PlannedStep, ...]) -> nn.Module | None:
    earlier = {each.name: each for each in plan.steps}
    for step in steps:
        if step.job.made_generator:
            return build_generator(step.job.made_generator)
        source = step.inputs.get("generator")
        if source and source.step:
            return _generator(plan, (earlier[source.step],))
        if source:
            return load_generator(source.folder)[0]
    return None


def _timed(generator: nn.Module) -> float:
    codes = torch.randn(BATCH, generator.config.latent_dim, requires_grad=True)  # pyright: ignore
    labels = spread_labels(BATCH, classes_of(generator), codes.device)
    generate(generator, codes, labels).square().mean().backward()  # the first batch takes longer
    begin, batches = time.perf_counter(), 0
    while (passed := time.perf_counter() - begin) < SECONDS or not batches:
        generate(generator, codes, labels).square().mean().backward()
        batches += 1
    return 2 * BATCH * batches / passed
