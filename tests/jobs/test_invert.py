"""The job `invert`: whether codes are determined, and the classes of conditional generators."""

import pytest
import torch
from torch import nn

from faulty import TRAIN, planned
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.errors import InversionError, StoreError
from preimage.latents.schema import concatenate
from preimage.latents.store import Store
from preimage.latents.verify import describe, verify
from preimage.models.generator_folder import load_generator, write_generator
from preimage.pipelines.execute import execute
from preimage.storage.folder import Folder
from stores import linear_generator

DATA = TRAIN["data"] | {"max_images": 40}
ROOMS = ("inversion.dataset", "jobs.invert.run", "jobs.invert.local_rank")


@pytest.fixture
def codes(tmp_path):
    """A linear generator whose last two of five directions change nothing, and the step that inverts it."""
    generator = linear_generator(5, seed=0)
    with torch.no_grad():
        generator.components[3:] = 0
    write_generator(generator, Folder.at(tmp_path) / "generator", {})
    search = {"solver": "adam", "init_codes": "prior", "steps": 3}
    return {"job": "invert", "generator": str(tmp_path / "generator"), "data": DATA, "inversion": search}


def inverted(results, codes):
    plan = planned(results, {"codes": codes})
    outcome = execute(plan)
    return plan, outcome, Store.open(outcome.products["codes.store"])


def test_directions_in_which_codes_are_not_determined_are_counted_and_said(tmp_path, codes, caplog):
    _, outcome, store = inverted(tmp_path, codes)
    found = {name.removeprefix("codes."): value for name, value in outcome.metrics.items()}
    weight = (
        load_generator(tmp_path / "generator")[0].get_parameter("components").detach().double().flatten(1)
    )
    values = torch.linalg.eigvalsh(weight @ weight.T / weight.shape[1])
    for suffix in ("", "_prior"):
        assert found[f"local_rank{suffix}"] == found[f"local_rank_lowest{suffix}"] == 3
        assert found[f"directions_below{suffix}"] == pytest.approx(2 / 5)
        assert found[f"smallest_eigenvalue{suffix}"] == pytest.approx(0, abs=1e-9 * values[-1].item())
    assert "determined in 3 of 5 directions only (median of 32 images)" in caplog.text
    assert "codes.local_rank" in (outcome.figures or {})
    assert describe(store)["local_rank"] == store.manifest.local_rank.model_dump()
    assert verify(store.folder).local_rank.found.rank == 3
    manifest = store.folder.read("_manifest.json")
    store.folder.write("_manifest.json", manifest.replace(b'"lowest_rank": 3', b'"lowest_rank": 4', 1))
    with pytest.raises(StoreError, match="its digests do not match"):
        verify(store.folder)


def test_the_measurement_changes_neither_the_codes_nor_what_is_finished(tmp_path, codes):
    plan, _, store = inverted(tmp_path / "one", codes)
    without, outcome, plain = inverted(tmp_path / "two", codes | {"rank_sample": 0})
    assert store.fingerprint == plain.fingerprint
    assert store.manifest.local_rank
    assert plain.manifest.local_rank is None
    assert "local_rank" not in plain.folder.read("_manifest.json").decode()
    assert not [name for name in outcome.metrics if "local_rank" in name]
    job = plan.steps[0].job
    assert "rank_sample" not in job.identity()
    assert without.steps[0].job.identity()["rank_sample"] == 0


class OfClasses(nn.Module):
    """A conditional generator of digits: each class adds its own image."""

    def __init__(self, inner: nn.Module, classes: int) -> None:
        super().__init__()
        self.inner, self.classes = inner, classes
        self.added = nn.Parameter(torch.randn(classes, 1, 16, 16, generator=torch.Generator().manual_seed(4)))

    def forward(self, codes: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.inner(codes) + self.added[labels]


def conditional(monkeypatch, classes):
    def load(folder):
        generator, card = load_generator(folder)
        return OfClasses(generator, classes).eval(), card

    for room in ROOMS:
        monkeypatch.setattr(f"preimage.{room}.load_generator", load)
    return load


def test_each_image_is_searched_for_in_its_own_class(tmp_path, codes, monkeypatch):
    load = conditional(monkeypatch, 10)
    codes["inversion"] = {"steps": 8, "patience": None}
    _, outcome, store = inverted(tmp_path, codes)
    rows = concatenate(list(store.batches()))
    assert len(rows.label.unique()) > 5
    weight = load(tmp_path / "generator")[0]
    with torch.no_grad():
        made = weight(rows.z, rows.label.long())
        other = weight(rows.z, (rows.label.long() + 1) % 10)
    images = to_float(Dataset.open(Folder.at(store.about.dataset.path)).read(0, 40).pixels)
    right, wrong = ((each - images).square().mean((1, 2, 3)) for each in (made, other))
    assert torch.allclose(right, rows.loss, rtol=1e-4)
    assert not torch.isclose(wrong, rows.loss, rtol=1e-4).any()
    assert outcome.metrics["codes.local_rank"] == 3


def test_a_generator_of_too_few_classes_is_refused_before_any_part(tmp_path, codes, monkeypatch):
    conditional(monkeypatch, 9)
    plan = planned(tmp_path, {"codes": codes})
    with pytest.raises(InversionError, match="knows 9 classes, but the images have 10"):
        execute(plan)
    assert not plan.steps[0].run.product("store").exists()
