"""The reconstruction-table job: methods by datasets, the paper's errors beside ours."""

import pytest
import torch
from pydantic import ValidationError

from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.data.pixels import to_float
from preimage.errors import GeneratorError
from preimage.jobs.base import Context
from preimage.jobs.compare_reconstructions.report import CompareReconstructionsReport, MethodRow
from preimage.jobs.reconstruction_table.job import ReconstructionTableJob
from preimage.jobs.reconstruction_table.report import ReconstructionTableReport
from preimage.jobs.references import references
from preimage.metrics.reconstruction import Reconstruction
from preimage.models.generator_folder import write_generator
from preimage.runs.run_folder import RunFolder
from stores import linear_generator, write_store

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 200}
SMALL = {"source": "digits", "size": 8, "channels": 1, "max_images": 50}
SETTINGS = Resources(backend="local", gpu=False)


def leave(folder, name, dataset, data, dim):
    """A run of random components and codes of a dataset; its squared error."""
    generator = linear_generator(dim, seed=dim, size=data["size"])
    images = dataset.read(0, dataset.count)
    z = torch.randn(dataset.count, dim, generator=torch.Generator().manual_seed(dim))
    card = write_generator(generator, folder / name / "generator", {"data": data})
    write_store(folder / name / "store", card, dataset, z, images.image_id)
    with torch.no_grad():
        return (generator(z) - to_float(images.pixels)).square().mean().item()


def test_datasets_of_different_images_stand_side_by_side(folder, digits):
    catalog = Catalog(digits.folder.parent)
    small = catalog.prepare(DataConfig.model_validate(SMALL), SETTINGS, lambda task: lambda done, total: None)
    errors = {
        "a": leave(folder, "a", digits, DATA, 3),
        "b": leave(folder, "b", digits, DATA, 5),
        "c": leave(folder, "c", small, SMALL, 4),
    }
    names = {"large (16)": {"PCA": "a", "more": "b"}, "small": {"PCA": "c"}}

    def run(asked):
        places = {
            data: {
                name: {part: (folder / run / part).uri for part in ("generator", "store")}
                for name, run in each.items()
            }
            for data, each in asked.items()
        }
        job = ReconstructionTableJob.model_validate({"datasets": places})
        inputs = {key: folder.at(name) for key, name in references(job).items()}
        return run_job(job, Context(RunFolder(folder / "run"), catalog, "", SETTINGS, inputs=inputs))

    result = run(names)
    for data, each in names.items():
        for name, made in each.items():
            assert result.metrics["table"][data][name]["mse"] == pytest.approx(errors[made], rel=1e-5)
    assert result.metrics["images"] == 250
    assert (result.metrics["as_in_paper"], result.metrics["pairs"]) == (0, 0)
    assert list(result.figures) == ["table.png", "reconstructions-large-16.png", "reconstructions-small.png"]
    assert f"| more | {errors['b']:.3g} | - |" in result.table
    with pytest.raises(GeneratorError, match="C: the generator makes images of 1 x 8 x 8, but the data is"):
        run({"both": {"A": "a", "C": "c"}})


def report(digits, source, **errors):
    dataset = type(digits)(
        digits.folder, digits.manifest | {"config": digits.config.model_dump() | {"source": source}}
    )
    found = {
        name: MethodRow(3, Reconstruction(10, mse, 0.5, 100.0, 0.1, 0), torch.tensor([0.5, 0.9, 1.0]))
        for name, mse in errors.items()
    }
    return CompareReconstructionsReport(found, dataset)


def test_pairs_that_the_paper_ranks_are_counted(digits):
    """The paper has no order of MNIST's two GLOs, both 0.0001, and none of fashion-mnist."""
    mnist = {"PCA": 0.01, "GLO (L2)": 0.001, "GLO (Lap1)": 0.02, "mine": 1.0}
    made = ReconstructionTableReport(
        {
            "MNIST": report(digits, "mnist-5000", **mnist),
            "CIFAR-10": report(digits, "cifar10", PCA=0.02, DCAE=0.01),
            "clothes": report(digits, "fashion-mnist", PCA=0.02, DCAE=0.01),
        }
    )
    metrics = made.metrics()
    assert (metrics["as_in_paper"], metrics["pairs"]) == (2, 3)
    lines = made.table().splitlines()
    assert lines[0] == "| MSE (the paper's) | MNIST | CIFAR-10 | clothes |"
    assert "| PCA | 0.01 (0.011) | 0.02 (0.016) | 0.02 |" in lines
    assert "| mine | 1 | - | - |" in lines
    assert "| DCAE | - | 0.01 (0.006) | 0.01 |" in lines
    assert "mnist-5000, not mnist" in made.table()


def test_names_that_are_not_plain_are_refused():
    with pytest.raises(ValidationError, match="a dataset's name is letters"):
        ReconstructionTableJob.model_validate({"datasets": {"a.b": {"PCA": "run"}}})
    with pytest.raises(ValidationError, match="a method's name is letters"):
        ReconstructionTableJob.model_validate({"datasets": {"a": {"P|CA": "run"}}})
    with pytest.raises(ValidationError, match="at least 1 item"):
        ReconstructionTableJob.model_validate({"datasets": {"a": {}}})
