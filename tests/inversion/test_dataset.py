"""Inverting a whole dataset: each image once, whatever dies on the way."""

import math

import duckdb
import psutil
import pytest
import torch
from PIL import Image
from torch import nn

import strangers
from faulty import INVERT, TRAIN, kill, meanwhile, planned, processes_below
from preimage import save_generator
from preimage.cli.store import verify as verify_command
from preimage.errors import InversionError
from preimage.inversion.dataset import Inverter, part_rows
from preimage.inversion.setup_size import setup_size
from preimage.latents.schema import COLUMNS, concatenate
from preimage.latents.store import Store
from preimage.latents.verify import verify
from preimage.metrics.pag import pag
from preimage.models.generator_folder import load_generator, write_generator
from preimage.pipelines.execute import execute
from preimage.storage.folder import Folder
from stores import store_of

QUICK = TRAIN | {
    "training": TRAIN["training"] | {"total_images": 1_200},
    "resources": {"backend": "local", "workers": 1},
}
STEPS = {"train": QUICK, "codes": INVERT}
SLOW = {"train": QUICK, "codes": INVERT | {"inversion": INVERT["inversion"] | {"steps": 900}}}


@pytest.mark.parametrize(("count", "batch"), [(1, 64), (1797, 64), (60_000, 64), (10**7, 100)])
def test_parts_are_whole_batches_and_never_too_many(count, batch):
    rows = part_rows(count, batch)
    assert rows % batch == 0
    assert rows <= max(4096, batch)


def test_a_dataset_becomes_a_store_with_each_image_once(tmp_path):
    plan = planned(tmp_path, STEPS)
    outcome = execute(plan)
    store = Store.open(outcome.products["codes.store"])
    ids = torch.cat([codes.image_id for codes in store.batches(["image_id"])])
    assert store.count == len(ids.unique()) == 400
    assert outcome.metrics["codes.reconstruction_error"] == pytest.approx(
        verify(store.folder).search.loss_mean, rel=1e-5
    )
    assert (store.about.solver["steps"], store.about.solver["measurement"]["mask"]) == (60, "all")
    assert "batch_size" not in store.about.solver
    assert outcome.metrics["codes.diverged"] == 0


class Holed(nn.Module):
    """A generator that makes no numbers of codes whose first component is above the edge."""

    def __init__(self, whole: nn.Module, edge: float) -> None:
        super().__init__()
        self.whole, self.edge = whole, edge

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        return torch.where(codes[:, :1, None, None] > self.edge, torch.nan, self.whole(codes))


@pytest.fixture
def invert_holed(monkeypatch, tmp_path, tiny_generator):
    """Inverts 40 digits one at a time, so that none has neighbours; then PAG: the outcome and the rows."""
    write_generator(tiny_generator, Folder.at(tmp_path) / "generator", {})

    def invert(edge, **inversion):
        def load(folder):
            generator, card = load_generator(folder)
            return Holed(generator, edge), card

        for room in ("inversion.dataset", "jobs.invert.run"):
            monkeypatch.setattr(f"preimage.{room}.load_generator", load)
        settings = {"steps": 12, "patience": None, "init_codes": "prior", "batch_size": 1, **inversion}
        codes = {"job": "invert", "generator": str(tmp_path / "generator"), "inversion": settings}
        codes["data"] = TRAIN["data"] | {"max_images": 40}
        plan = planned(tmp_path / f"{edge}", {"codes": codes, "prior": {"job": "pag", "store": "codes"}})
        outcome = execute(plan)
        return outcome, concatenate(list(Store.open(outcome.products["codes.store"]).batches()))

    return invert


def test_an_image_that_diverges_is_in_the_store_once_and_in_no_average(invert_holed, capsys):
    (_, whole), (outcome, holed) = (invert_holed(edge, solver="adam") for edge in (math.inf, 0.6))
    lost = holed.diverged
    assert 3 < lost.sum() < 30
    assert torch.equal(holed.image_id, whole.image_id)
    assert len(holed.image_id.unique()) == 40
    assert holed.z.isfinite().all()
    assert not holed.converged[lost].any()
    for name in COLUMNS:
        assert torch.equal(getattr(holed, name)[~lost], getattr(whole, name)[~lost]), name

    store = outcome.products["codes.store"]
    query = f"select avg(loss), count(*) from '{store}/*.parquet'"
    [(mean, rows)] = duckdb.connect().execute(query).fetchall()
    metrics = outcome.metrics
    assert rows == 40
    assert mean == pytest.approx(whole.loss[~lost].mean().item())
    assert metrics["codes.reconstruction_error"] == pytest.approx(mean)
    assert metrics["codes.diverged"] == metrics["prior.pag_skipped"] == lost.sum()
    assert metrics["prior.pag"] == pytest.approx(pag([whole.z[~lost]], 1.0).pag)
    verify_command(outcome.products["codes.store"])
    assert f"{lost.sum()} diverged" in capsys.readouterr().out


@pytest.mark.parametrize("solver", ["lbfgs", "levenberg-marquardt", "momentum"])
def test_whatever_the_solver_a_start_without_an_image_is_a_row_without_a_loss(invert_holed, solver):
    outcome, found = invert_holed(0.0, solver=solver)
    assert outcome.metrics["codes.diverged"] == found.diverged.sum() > 3
    assert len(found.image_id.unique()) == len(found) == 40
    assert found.z.isfinite().all()
    assert bool((found.z[~found.diverged, 0] <= 0).all())


def test_a_job_whose_images_all_diverge_says_so(invert_holed):
    with pytest.raises(InversionError, match="every one of 40 images diverged: lower inversion.lr"):
        invert_holed(-math.inf, solver="adam")


def test_evaluations_count_making_ready_and_go_on_counting(tmp_path, monkeypatch):
    steps = {
        "train": QUICK,
        "codes": INVERT | {"inversion": {"solver": "adam", "steps": 3, "batch_size": 16}},
    }
    plan, call = planned(tmp_path, steps), Inverter.__call__

    def stop_at_the_fifth(self, part, device):
        if part == 5:
            raise KeyboardInterrupt
        return call(self, part, device)

    monkeypatch.setattr(Inverter, "__call__", stop_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        execute(plan)
    monkeypatch.undo()
    outcome = execute(plan)
    assert outcome.metrics["codes.steps_per_image"] == 3
    assert (
        outcome.metrics["codes.generator_evaluations"] == setup_size(400, 4, "regression").pairs + 400 * 3 * 2
    )


def test_what_was_seen_stands_under_the_images(tmp_path):
    masked = {"mask": "top", "pool": 2, "noise": 0.01}
    heights = []
    for name, seen in (("plain", {}), ("masked", masked), ("sums", {"operator": "gaussian", "rate": 0.2})):
        codes = INVERT | {"inversion": {"solver": "adam", "steps": 2, "measurement": seen}}
        outcome = execute(planned(tmp_path / name, {"train": QUICK, "codes": codes}))
        heights.append(Image.open((outcome.figures or {})["codes.reconstructions"]).height)
        measurement = Store.open(outcome.products["codes.store"]).about.solver["measurement"]
        assert measurement.items() >= seen.items()
    assert heights[1] == heights[2] > 1.4 * heights[0]


def fingerprints(results, steps, **resources):
    plan = planned(results, steps, **resources)
    execute(plan)
    return store_of(plan.steps[1].run).fingerprint


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return fingerprints(tmp_path_factory.mktemp("undisturbed"), SLOW)


def parts_of(plan):
    return [name for name in plan.steps[1].run.product("store").names() if name.startswith("part-")]


@pytest.mark.ray
def test_two_workers_on_ray_invert_an_imported_program_as_this_process_does(ray, tmp_path):
    torch.manual_seed(0)
    save_generator(strangers.Conv(), tmp_path / "g", code_shape=(6, 1, 1))
    digits = {"source": "digits", "size": 8, "channels": 1, "max_images": 100}
    steps = {"codes": INVERT | {"generator": str(tmp_path / "g"), "data": digits}}
    found, expected = (
        execute(planned(tmp_path / backend, steps, backend=backend, workers=workers))
        for backend, workers in (("ray", 2), ("local", 1))
    )
    stores = [Store.open(each.products["codes.store"]) for each in (found, expected)]
    assert stores[0].fingerprint == stores[1].fingerprint
    assert stores[0].count == 100


@pytest.mark.ray
@pytest.mark.faults
@pytest.mark.long
def test_a_killed_actor_is_replaced(ray, undisturbed, tmp_path):
    plan = planned(tmp_path, SLOW, backend="ray", workers=2)

    def kill_actor() -> bool:
        if len(parts_of(plan)) < 3:
            return False
        actors = processes_below(psutil.Process(), "MapWorker")
        if actors:
            kill(actors[0].pid)
        return bool(actors)

    with meanwhile(kill_actor) as killed:
        execute(plan)
    assert killed, "no actor was found to kill"
    assert verify(plan.steps[1].run.product("store")).count == 400
    assert store_of(plan.steps[1].run).fingerprint == undisturbed
