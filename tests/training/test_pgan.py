"""PGAN: what it learns from, what it leaves, and that it goes on as if nothing had happened."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch

from preimage.errors import PriorError, StoreError
from preimage.latents.held_out import Split, is_held_out
from preimage.metrics.distances import energy_distance
from preimage.models.cards import read_prior_card
from preimage.models.config import PganConfig
from preimage.models.generator_folder import write_generator
from preimage.models.pgan import CodeGenerator, folded
from preimage.models.prior_folder import load_fitted
from preimage.runs.run_folder import RunFolder
from preimage.training.batches import shares
from preimage.training.codes import CodeSet
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.loop import train
from preimage.training.pgan import CodeEvaluation, PganAlgorithm, export_prior
from preimage.training.training import Training
from preimage.training.worker import Worker
from stores import write_store
from two_workers import Stop, many, pgan, slow_pgan, stopping, train_or_stop

OUT = 0.25
LOOP = LoopConfig(total_images=4_800, batch_size=48, log_every=480, sample_every=4_800, checkpoint_every=960)


def unseen_of(store):
    return Split(store, OUT).some(2000, held_out=True)


@pytest.fixture
def card(folder, tiny_generator):
    return write_generator(tiny_generator, folder / "generator", {})


@pytest.fixture
def store(folder, card, digits):
    """Codes in two heaps, far from the origin and of another scale in each component; some diverged."""
    random = torch.Generator().manual_seed(0)
    z = torch.randn(600, 4, generator=random) * torch.tensor([0.1, 1.0, 3.0, 0.5]) + 5
    z[::2, 1] += 8
    return write_store(folder / "store", card, digits, z, torch.arange(600) * 7, lost=(3, 50))


@pytest.fixture
def training(folder, store):
    def make(name, **loop):
        return Training(
            run=RunFolder(folder / name),
            dataset=store.folder,
            loop=LOOP.model_copy(update=loop),
            build=pgan,
            identity={},
            seed=1,
            export=export_prior,
            open=partial(CodeSet.open, held_out=OUT),
            evaluation=CodeEvaluation(unseen_of(store)),
        )

    return make


def test_the_shares_are_all_codes_once_but_those_held_out_and_those_that_diverged(store):
    codes = CodeSet.open(store.folder, OUT)
    head = store.head(600)
    kept = ~head.diverged & ~is_held_out(head.image_id, OUT)
    assert codes.count == kept.sum() < 598
    parts = [codes.read(begin, end) for begin, end in pairwise(shares(codes.count, 20, 3))]
    assert torch.equal(torch.cat([each.image_id for each in parts]), head.image_id[kept])
    z = torch.cat([each.z for each in parts]).double()
    assert torch.allclose(z.mean(0), torch.zeros(4).double(), atol=1e-6)
    assert torch.allclose(z.std(0), torch.ones(4).double(), atol=1e-6)
    assert torch.allclose(z * codes.scale + codes.mean, head.z[kept].double(), atol=1e-5)


def test_a_component_that_never_changes_is_refused(folder, card, digits):
    z = torch.randn(30, 4)
    z[:, 2] = 1
    flat = write_store(folder / "flat", card, digits, z, torch.arange(30))
    with pytest.raises(StoreError, match="are constant"):
        CodeSet.open(flat.folder, 0.1)


def test_the_prior_is_the_network_in_eval_mode():
    torch.manual_seed(0)
    network = CodeGenerator(6, 4, 16)
    for _ in range(20):
        network(torch.randn(64, 6) * 2 + 1)
    mean, scale = torch.randn(4).double(), torch.rand(4).double() + 0.5
    prior = folded(network, mean, scale)
    noise = torch.randn(50, 6)
    expected = mean + scale * network.eval().double()(noise.double())
    assert torch.allclose(prior.of(noise).double(), expected, atol=1e-5)
    drawn = prior.sample(20_000, torch.Generator().manual_seed(3))
    assert prior.std == pytest.approx(drawn.var(0).mean().sqrt().item(), rel=0.05)
    assert (prior.latent_dim, prior.name, drawn.shape) == (4, "pgan", (20_000, 4))


def test_it_learns_a_distribution_that_no_gaussian_is(training, folder, card, digits):
    """Two heaps, of which none is lost: the checkpoint that is nearest to held-out codes is the result."""
    random = torch.Generator().manual_seed(0)
    z = torch.randn(3000, 4, generator=random) + 3
    z[::2] -= 6
    heaps = write_store(folder / "heaps", card, digits, z, torch.arange(3000))
    made = replace(
        training("run", total_images=96_000, checkpoint_every=19_200),
        dataset=heaps.folder,
        open=partial(CodeSet.open, held_out=OUT),
        evaluation=CodeEvaluation(unseen_of(heaps)),
        loop=LOOP.model_copy(
            update={"total_images": 96_000, "checkpoint_every": 19_200, "select_by": "energy_distance"}
        ),
    )
    train(Worker(), made)
    unseen = z[is_held_out(torch.arange(3000), OUT)]
    gaussian = unseen.mean(0) + torch.randn(2000, 4, generator=random) * unseen.std(0)
    drawn = load_fitted(made.run.product("prior")).sample(2000, random)
    assert energy_distance(drawn, unseen) < energy_distance(gaussian, unseen) / 4
    assert 0.35 < (drawn.mean(1) > 0).float().mean() < 0.65
    curve = dict(made.run.curve("energy_distance"))
    assert read_prior_card(made.run.product("prior")).training["codes_seen"] == min(
        curve, key=curve.__getitem__
    )


def test_a_killed_training_leaves_the_prior_of_one_that_nothing_disturbed(training):
    whole, killed = training("whole"), training("killed")
    train(Worker(), whole)
    with pytest.raises(Stop):
        train(Worker(), replace(killed, build=partial(stopping, pgan, 61)))
    train(Worker(), killed)
    assert killed.run.curve("generator_loss") == whole.run.curve("generator_loss")
    assert killed.run.product("prior").read("weights.safetensors") == whole.run.product("prior").read(
        "weights.safetensors"
    )


def test_three_workers_learn_as_one_does(training):
    """Of a batch that they cannot share out evenly."""
    size = {"total_images": 1000, "batch_size": 50, "log_every": 500}
    one, three = (replace(training(name, **size), build=slow_pgan) for name in ("one", "three"))
    train(Worker(), one)
    many(3, train_or_stop, three)
    a, b = (torch.tensor(each.run.curve("discriminator_loss")) for each in (one, three))
    assert len(a) == 2
    assert torch.allclose(a, b, rtol=2e-4)
    assert load_fitted(three.run.product("prior")).latent_dim == 4


def test_noise_smaller_than_the_code_is_refused(training):
    small = partial(_small, PganConfig(noise_dim=3))
    with pytest.raises(PriorError, match="noise_dim=3 is smaller than the code, which has 4 components"):
        train(Worker(), replace(training("small"), build=small))


def _small(model, setting):
    return PganAlgorithm(setting, model, OptimizerConfig())


def test_samples_are_drawn_through_the_generator(training, folder, card):
    made = replace(training("seen", total_images=480), build=partial(pgan, images=folder / "generator"))
    train(Worker(), made)
    assert made.run.has_samples(480)
    assert not training("unseen").run.has_samples(0)
