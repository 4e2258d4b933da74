"""compare-reconstructions: how it runs."""

from preimage.jobs.base import Context, Result
from preimage.jobs.compare_reconstructions.compare import (
    compare,
    open_method,
    reconstructions_png,
    shared_dataset,
)
from preimage.jobs.compare_reconstructions.figures import errors_png, explained_png
from preimage.jobs.compare_reconstructions.job import CompareReconstructionsJob


def run(job: CompareReconstructionsJob, context: Context) -> Result:
    """Check that everything belongs together, stream the images once for each method, and draw.

    Raises GeneratorError or StoreError, with the method's name, if a store belongs to another generator,
    if stores are of different images, or if codes and images are out of step.
    """
    methods = [open_method(name, f"methods.{name}", context) for name in job.methods]
    sizes = [
        open_method(f"dimensions, {each.generator}", f"dimensions.{i}", context)
        for i, each in enumerate(job.dimensions)
    ]
    dataset = shared_dataset([*methods, *sizes], job.data, context)
    report = compare(methods, dataset, context)
    pictures = {"reconstructions.png": reconstructions_png(methods, report.with_errors(), dataset)}
    if sizes:
        sizes.sort(key=lambda each: each.store.latent_dim)
        names = [f"d = {each.store.latent_dim}" for each in sizes]
        pictures["dimensions.png"] = reconstructions_png(sizes, names, dataset)
    pictures["errors.png"] = errors_png(report.errors("mse"), report.errors("lap1"), report.paper)
    pictures["directions.png"] = explained_png(report.explained)
    return Result(report.metrics(), pictures, report.table())
