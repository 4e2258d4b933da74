"""The random-weights job: generators that were never trained, and a whole tiny run."""

import numpy as np
import pytest
import torch
from torch import nn

from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.jobs.base import Context
from preimage.jobs.random_weights.figures import Reconstructions
from preimage.jobs.random_weights.job import RandomWeightsJob
from preimage.jobs.random_weights.untrained import untrained
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from tiny import MODEL

DIGITS = {"source": "digits", "size": 16, "channels": 1}
TINY = {
    "datasets": {"digits": DIGITS},
    "latent_dims": (4, 600),
    "base_channels": 16,
    "images": 6,
    "networks": 2,
    "lr": 0.3,
    "steps": 60,
    "after": (5, 60),
}


def test_an_untrained_generator_knows_its_own_activations():
    generator = untrained(MODEL, seed=3)
    assert not generator.training
    inputs = []
    for module in generator.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda module, given, made: inputs.append(made.clone()))
    with torch.no_grad():
        generator(torch.randn(512, MODEL.latent_dim, generator=torch.Generator().manual_seed(0)))
    for values in inputs:  # normalised, but for the random scale, N(1, 0.02)
        assert values.mean((0, 2, 3)).abs().max() < 0.15
        assert values.std((0, 2, 3)) == pytest.approx(torch.ones(values.shape[1]), abs=0.2)


def test_an_untrained_generator_is_its_seeds_alone():
    code = torch.randn(2, 4)
    with torch.no_grad():
        assert torch.equal(untrained(MODEL, 1)(code), untrained(MODEL, 1)(code))
        assert not torch.equal(untrained(MODEL, 1)(code), untrained(MODEL, 2)(code))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = Folder.at(tmp_path_factory.mktemp("run"))
    shown = []

    def progress(task):
        return lambda done, total: shown.append((task, done, total))

    local = Resources(backend="local")
    context = Context(RunFolder(folder), Catalog(folder / "datasets"), "", local, progress=progress)
    return folder, run_job(RandomWeightsJob(**TINY), context), shown


def test_a_run_leaves_figures_and_a_table(done):
    folder, result, shown = done
    assert sorted(result.figures) == ["losses.png", "reconstructions.png"]
    assert all(picture[:4] == b"\x89PNG" for picture in result.figures.values())
    assert (folder / "trials").names() == [f"digits-{d}-00{i}.safetensors" for d in (4, 600) for i in (0, 1)]
    assert ("reconstructing images", 4, 4) in shown
    assert result.table.count("| digits |") == 2


def test_losses_fall_and_more_components_explain_more(done):
    _, result, _ = done
    for latent_dim in (4, 600):
        losses = [result.metrics[f"loss_digits_{latent_dim}_after_{step}"] for step in (0, 5, 60)]
        assert losses == sorted(losses, reverse=True)
    assert result.metrics["best_explained"] == result.metrics["explained_digits_600"] > 0.2
    assert result.metrics["worst_explained"] == result.metrics["explained_digits_4"] < 0.1


def test_rises_count_the_steps_at_which_the_mean_loss_rose():
    loss = np.array([[4.0, 3.0, 3.0, 1.0, 2.0], [4.0, 3.0, 4.0, 2.0, 1.5]])
    assert Reconstructions(range(5), loss, np.ones(2), torch.empty(0)).rises == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datasets": {"digits": DIGITS | {"size": 18}}}, "datasets.digits.size=18 does not suit a DCGAN"),
        ({"after": (5, 61)}, "after must name steps up to 60"),
        ({"datasets": {}}, "must each name at least one"),
        ({"datasets": {"a/b": DIGITS}}, "pattern"),
        ({"solver": "lbfgs"}, "lbfgs has no learning rate: choose another solver, such as adam"),
    ],
)
def test_what_cannot_be_done_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        RandomWeightsJob(**(TINY | change))


def test_the_cost_is_counted_before_anything_runs():
    counted = RandomWeightsJob(**TINY).cost(None)
    assert counted == {"searches": 24, "generator evaluations at most": 2 * 24 * 61}
