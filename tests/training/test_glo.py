import copy
import dataclasses
import math
import shutil
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from preimage.data.pixels import to_float
from preimage.errors import CheckpointError, NonFiniteError, PreimageError
from preimage.models.generator_folder import load_generator, load_prior
from preimage.objectives.lap1 import lap1
from preimage.runs import checkpoints
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import CodesConfig, OptimizerConfig
from preimage.training.glo import GloAlgorithm
from preimage.training.loop import train
from preimage.training.worker import Worker
from stores import store_of
from tiny import GLO_MODEL, LOOP

SGD = OptimizerConfig(name="sgd", lr=1.0)


def learner_of(images, codes=None, loss="l2", model=GLO_MODEL):
    return GloAlgorithm(
        AlgorithmContext(Worker(), images, LOOP, seed=3), model, loss, codes or CodesConfig(), SGD
    )


@pytest.mark.parametrize("loss", ["l2", "lap1", "lap1-paper"])
def test_a_step_is_descent_on_each_images_own_loss_in_float64(digits, loss):
    """Written out: the generator on the batch's mean loss, every code on the loss of its image alone."""
    images = digits.read(0, 24)
    algorithm = learner_of(images, CodesConfig(init="random", lr=0.7), loss)
    algorithm.begin()
    algorithm.generator.double()
    algorithm.table = algorithm.table.double()
    before, plain = algorithm.table.clone(), copy.deepcopy(algorithm.generator)
    rows = torch.tensor([5, 2, 17, 11])
    real = torch.rand(4, 1, 16, 16, dtype=torch.float64) * 2 - 1
    metrics = algorithm.step(rows, real, 0)

    codes = before[rows].requires_grad_()
    made = plain(codes)
    each = {
        "l2": F.mse_loss(made, real, reduction="none").mean((1, 2, 3)),
        "lap1": lap1(made, real),
        "lap1-paper": lap1(made, real, "paper") / 256,
    }[loss]
    slopes = torch.autograd.grad(each.sum(), codes, retain_graph=True)[0]
    gradients = torch.autograd.grad(each.mean(), list(plain.parameters()))
    moved = before[rows] - 0.7 * slopes
    expected = before.clone()
    expected[rows] = torch.stack([z / max(z.norm().item(), 1) for z in moved])
    assert torch.allclose(algorithm.table, expected, atol=1e-12), "rows outside the batch do not move"
    for mine, theirs, slope in zip(
        algorithm.generator.parameters(), plain.parameters(), gradients, strict=True
    ):
        assert torch.allclose(mine, theirs - slope, atol=1e-12)
    assert metrics["loss"].item() == pytest.approx(each.mean().item())


def test_a_plugins_loss_is_descended(digits, plug):
    code = "def l1(images, targets):\n    return (images - targets).abs().mean((1, 2, 3))\n"
    plug({"losses": {"l1": "preimage_extra:l1"}}, code)
    images = digits.read(0, 24)
    algorithm = learner_of(images, CodesConfig(init="random"), "l1")
    algorithm.begin()
    real, rows = to_float(images.pixels[:4]), torch.arange(4)
    with torch.no_grad():  # in training mode: the statistics are those of the step's own batch
        made = copy.deepcopy(algorithm.generator)(algorithm.table[rows])
    loss = algorithm.step(rows, real, 0)["loss"].item()
    assert loss == pytest.approx((made - real).abs().mean().item(), rel=1e-5)


def test_a_codes_step_does_not_depend_on_how_many_share_the_batch(digits):
    """In eval mode, where BatchNorm does not tie images together."""
    images = digits.read(0, 24)
    real = to_float(images.pixels)
    tables = []
    for rows in (torch.arange(4), torch.arange(12)):
        algorithm = learner_of(images)
        algorithm.begin()
        algorithm.generator.eval()
        algorithm.step(rows, real[rows], 0)
        tables.append(algorithm.table[:4])
    assert torch.allclose(*tables, atol=1e-5)


def test_codes_start_at_pcas_scores_scaled_to_the_ball(digits):
    images = digits.read(0, 200)
    algorithm = learner_of(images)
    algorithm.begin()
    rows = to_float(images.pixels).flatten(1).double()
    centred = rows - rows.mean(0)
    left, values, _ = torch.linalg.svd(centred, full_matrices=False)
    scores = (left * values)[:, : GLO_MODEL.latent_dim]
    scaled = scores / scores.var(0).sum().sqrt()
    expected = scaled / scaled.norm(dim=1, keepdim=True).clamp_min(1)
    assert torch.allclose(algorithm.table.abs().double(), expected.abs(), atol=1e-4), "signs are free"
    assert algorithm.table.norm(dim=1).max() <= 1 + 1e-6


def test_whitened_codes_start_with_equal_variances_in_pcas_directions(digits):
    images = digits.read(0, 200)
    algorithm = learner_of(images, CodesConfig(init="pca-whitened"))
    algorithm.begin()
    d = GLO_MODEL.latent_dim
    rows = to_float(images.pixels).flatten(1).double()
    left, _, _ = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    scores = left[:, :d] * (199 / d) ** 0.5  # variances of 1 / d
    expected = scores / scores.norm(dim=1, keepdim=True).clamp_min(1)
    assert torch.allclose(algorithm.table.abs().double(), expected.abs(), atol=1e-4), "signs are free"


def test_random_codes_are_normal_with_mean_squared_norm_one_and_belong_to_their_images(digits):
    images = digits.read(0, 200)
    model = GLO_MODEL.model_copy(update={"latent_dim": 64})
    algorithm = learner_of(images, CodesConfig(init="random"), model=model)
    algorithm.begin()
    part = learner_of(digits.read(50, 150), CodesConfig(init="random"), model=model)
    part.begin()
    assert torch.equal(part.table, algorithm.table[50:150])
    inside = algorithm.table[algorithm.table.norm(dim=1) < 1 - 1e-6]
    assert 0.3 < len(inside) / 200 < 0.7, "about half are drawn inside of the ball"
    assert algorithm.table.mean().abs() < 3 / math.sqrt(200 * 64 * 64)


def test_more_dimensions_than_pca_can_give_are_refused(digits):
    algorithm = learner_of(digits.read(0, 3))
    with pytest.raises(PreimageError, match="at most 2 principal components"):
        algorithm.begin()


def test_training_lowers_the_loss_and_leaves_a_generator_its_prior_and_a_store(make_glo, digits):
    training = make_glo(total_images=4_800)
    train(Worker(), training)
    curve = [value for _, value in training.run.curve("loss")]
    assert curve[-1] < 0.5 * curve[0]
    generator, card = load_generator(training.run.product("generator"))
    prior = load_prior(training.run.product("generator"), card)
    assert prior.name == card.generator.prior == "gaussian-in-ball"
    store = store_of(training.run)
    codes = store.head(store.count)
    images = digits.read(0, digits.count)
    assert torch.equal(codes.image_id, images.image_id)
    assert codes.z.norm(dim=1).max() <= 1 + 1e-6
    assert torch.allclose(prior.mean, codes.z.mean(0), atol=1e-5)
    with torch.no_grad():
        again = (generator(codes.z) - to_float(images.pixels)).square().mean((1, 2, 3))
    assert torch.allclose(codes.loss, again, atol=1e-5)
    assert codes.steps.unique().tolist() == [4_800 // digits.count]
    assert store.about.generator.fingerprint == card.fingerprint


def test_a_killed_run_goes_on_with_the_same_curve_and_codes(make_glo, monkeypatch):
    whole, killed = make_glo("whole"), make_glo("killed")
    train(Worker(), whole)
    original = GloAlgorithm.step

    def dying(self, rows, images, number):
        if number == 13:
            raise KeyboardInterrupt
        return original(self, rows, images, number)

    monkeypatch.setattr(GloAlgorithm, "step", dying)
    with pytest.raises(KeyboardInterrupt):
        train(Worker(), killed)
    monkeypatch.setattr(GloAlgorithm, "step", original)
    train(Worker(), killed)
    assert killed.run.curve("loss") == whole.run.curve("loss")
    assert store_of(killed.run).fingerprint == store_of(whole.run).fingerprint


def test_a_delivery_that_was_killed_goes_on(make_glo):
    whole, hurt = make_glo("whole"), make_glo("hurt")
    train(Worker(), whole)
    train(Worker(), hurt)
    for name in ("_manifest.json", "part-00003.parquet"):
        hurt.run.product("store").remove(name)
    train(Worker(), hurt)
    assert store_of(hurt.run).fingerprint == store_of(whole.run).fingerprint


def test_the_best_checkpoints_codes_are_delivered_with_its_generator(make_glo):
    training = make_glo(total_images=960, select_by="code_norm", mode="min")
    train(Worker(), training)
    best = checkpoints.best(training.run.product("checkpoints"), lowest=True)
    codes = store_of(training.run).head(500)
    assert best.images < 960
    assert torch.equal(codes.z, best.own(0)["codes"][: len(codes)])
    assert load_generator(training.run.product("generator"))[1].training["images_seen"] == best.images


def test_a_loss_that_diverges_stops_and_keeps_the_last_good_checkpoint(make_glo, monkeypatch):
    training = make_glo()
    original = GloAlgorithm.step

    def poisoned(self, rows, images, number):
        return original(self, rows, images * math.nan if number == 7 else images, number)

    monkeypatch.setattr(GloAlgorithm, "step", poisoned)
    with pytest.raises(NonFiniteError, match="the loss is not finite at step 7"):
        train(Worker(), training)
    kept = checkpoints.newest(training.run.product("checkpoints"))
    assert kept.images == 120
    assert kept.own(0)["codes"].isfinite().all()


def test_codes_that_step_out_of_all_bounds_stop_it_too(make_glo):
    build = partial(GloAlgorithm, model=GLO_MODEL, loss="l2", codes=CodesConfig(lr=1e30), optimizer=SGD)
    with pytest.raises(NonFiniteError, match="the codes' step is not finite at step 0"):
        train(Worker(), dataclasses.replace(make_glo(), build=build))


def test_a_resume_with_another_dataset_is_refused(make_glo):
    training = make_glo(identity={"data": {"source": "digits"}})
    train(Worker(), training)
    other = dataclasses.replace(training, identity={"data": {"source": "fashion-mnist"}})
    with pytest.raises(CheckpointError, match=r"data\.source: was 'digits', is 'fashion-mnist'"):
        train(Worker(), other)


def test_mixed_precision_keeps_codes_and_weights_in_float32(make_glo):
    training = make_glo(total_images=240, precision="bf16")
    train(Worker(), training)
    newest = checkpoints.newest(training.run.product("checkpoints"))
    assert newest.own(0)["codes"].dtype == torch.float32
    assert all(each.dtype != torch.bfloat16 for each in newest.shared()["algorithm"]["generator"].values())


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_training_is_the_training(make_glo):
    plain, compiled = (
        make_glo("plain", total_images=240),
        make_glo("compiled", total_images=240, compile=True),
    )
    for training in (plain, compiled):
        train(Worker(), training)
    losses = [[value for _, value in each.run.curve("loss")] for each in (plain, compiled)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_compilation_without_a_compiler_is_refused(make_glo, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(PreimageError, match="needs a C\\+\\+ compiler"):
        train(Worker(), make_glo(compile=True))


def test_images_may_stay_in_memory(make_glo):
    here, there = make_glo("a"), dataclasses.replace(make_glo("b"), data_device="host")
    train(Worker(), here)
    train(Worker(), there)
    assert here.run.curve("loss") == there.run.curve("loss")
