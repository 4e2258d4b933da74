"""Precise recovery: the job from generator to table, on a tiny generator with a uniform prior."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.data.config import DataConfig
from preimage.errors import DataError, GeneratorError, InversionError
from preimage.inversion import conditioning
from preimage.jobs.base import Context
from preimage.jobs.published import RECOVERED
from preimage.jobs.recover.job import RecoverJob
from preimage.jobs.recover.metrics import Way
from preimage.jobs.recover.results import recovered_codes
from preimage.jobs.recover.search import CodeSearch, SearchChunk, search_chunks
from preimage.jobs.references import GeneratorRef, references
from preimage.jobs.sampling import draw_codes, make_images
from preimage.latents.priors import Uniform
from preimage.models.dcgan import build_pair
from preimage.models.generator_folder import write_generator
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from tiny import MODEL

CPU = torch.device("cpu")

DIGITS = DataConfig(source="digits", size=16, channels=1, max_images=1700)
QUICK = {"solver": "levenberg-marquardt", "steps": 15, "init_codes": "prior", "restarts": 2}
DESCENT = {"solver": "gradient-descent", "lr": 0.1, "steps": 3, "patience": None, "init_codes": "prior"}
WAYS = [Way(inversion, technique) for inversion in ("descent", "fast") for technique in RECOVERED]
TINY = {
    "generator": "g", "codes": 4, "noises": (0.01, 0.1), "noisy_codes": 3, "unseen": 2, "repeats": 3,
    "inversions": {"descent": DESCENT, "fast": QUICK}, "probes": 3, "shown": (0, 2, 10, 20), "chunk": 3,
}  # fmt: skip


def config(**settings):
    return RecoverJob.model_validate(TINY | settings)


@pytest.fixture(scope="module")
def uniform_generator():
    generator, _ = build_pair(MODEL.model_copy(update={"prior": "uniform"}), seed=1)
    with torch.no_grad():
        for _ in range(20):
            generator(Uniform(4).sample(64, torch.Generator().manual_seed(2)))
    return generator.eval()


@pytest.fixture
def generator(uniform_generator, folder):
    write_generator(uniform_generator, folder / "generator", {"data": DIGITS.model_dump(mode="json")})
    return folder / "generator"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """Of images that are prepared once for all jobs here."""
    return Catalog(Folder.at(str(tmp_path_factory.mktemp("datasets"))))


@pytest.fixture
def context(folder, generator, catalog):
    inputs = {"generator": generator}
    return Context(
        RunFolder(folder / "run"), catalog, "", Resources(backend="local", gpu=False), inputs=inputs
    )


def test_the_chunks_are_every_search_once():
    asked = search_chunks(config())
    assert list(asked)[:2] == ["codes_descent_none_000000", "codes_descent_none_000003"]
    for way in WAYS:
        rows = {}
        for each in asked.values():
            if each.way == way:
                rows.setdefault((each.part, each.noise), []).extend(each.rows)
        assert rows == {
            ("codes", 0.0): [0, 1, 2, 3],
            ("unseen", 0.0): [0, 1, 2, 3, 4, 5],
            ("noise0.01", 0.01): [0, 1, 2],
            ("noise0.1", 0.1): [0, 1, 2],
        }
    assert sum(len(each.rows) for each in asked.values()) == config().searches == 6 * (4 + 2 * 3 + 6)


def test_names_that_end_alike_are_different_trials():
    """Or one search's results would be taken for another's."""
    job = config(inversions={"a": QUICK, "a-stochastic": QUICK})
    assert sum(len(each.rows) for each in search_chunks(job).values()) == job.searches


def test_steps_are_shown_in_order_and_once():
    assert config(shown=[10, 0, 10]).shown == (0, 10)


def test_a_search_that_diverged_stopped_however_near_it_came(generator, digits):
    wild = config(inversions={"descent": DESCENT | {"lr": 1e300}}, thresholds=(100.0,), shown=())
    given = CodeSearch(generator, digits.folder, wild)(SearchChunk("codes", "descent", "none", range(4)), CPU)
    each = recovered_codes(given, draw_codes(Uniform(4), 4, seed=0), wild.thresholds)
    assert each.reasons is not None
    assert each.diverged == each.missed == each.reasons["stopped"] == 4


def test_a_chunk_finds_the_codes_of_its_rows_however_many_they_are(generator, digits, uniform_generator):
    work = CodeSearch(generator, digits.folder, config())
    whole = work(SearchChunk("codes", "fast", "none", range(4)), CPU)
    part = work(SearchChunk("codes", "fast", "none", range(2, 4)), CPU)
    assert torch.allclose(whole["z"][2:], part["z"], atol=1e-5)
    assert "kept_z" not in part
    codes = draw_codes(Uniform(4), 4, seed=0)
    assert ((whole["z"] - codes).square().mean(1) < 1e-4).sum() >= 3
    assert whole["kept_z"].shape == (4, 4, 4)
    assert torch.equal(whole["kept_z"][:, 3], whole["z"])  # step 20 of 15
    errors = [
        (make_images(uniform_generator, z) - make_images(uniform_generator, codes)).square().mean()
        for z in (*whole["kept_z"][:, :2].unbind(1), whole["z"])
    ]
    assert errors[0] > errors[1] > errors[2]


def test_searches_for_one_unseen_image_start_from_codes_of_their_own(generator, digits):
    still = config(inversions={"fast": QUICK | {"steps": 1}}, shown=())
    each = CodeSearch(generator, digits.folder, still)(SearchChunk("unseen", "fast", "clip", range(4)), CPU)
    assert torch.pdist(each["z"]).min() > 0.1
    assert each["z"].abs().max() <= 1


def test_noise_moves_the_code_that_is_found(generator, digits):
    work = CodeSearch(generator, digits.folder, config())
    codes = draw_codes(Uniform(4), 3, seed=0)
    errors = [
        (work(SearchChunk(f"noise{noise}", "fast", "none", range(3), noise), CPU)["z"] - codes)
        .square()
        .mean()
        for noise in (1e-6, 1e-3)
    ]
    assert errors[0] < errors[1]


def test_the_headline_is_what_each_way_recovers_and_what_it_costs():
    assert [each.name for each in config().metrics() if each.headline] == [
        *(f"recovered_{way.inversion}_{way.technique}" for way in WAYS),
        *(f"evaluations_{way.inversion}_{way.technique}" for way in WAYS),
    ]


def test_a_job_gives_figures_a_table_and_metrics(folder, context):
    job = config(techniques=["none", "clip"], noises=[0.1], chunk=4)
    result = run_job(job, context)
    metrics = result.metrics
    for inversion in ("descent", "fast"):
        assert {name: list(line) for name, line in metrics["success"][inversion].items()} == {
            name: ["0.0001", "0.001", "0.01", "0.1"] for name in job.techniques
        }
    assert metrics["success"]["fast"]["none"]["0.0001"] == metrics["recovered_fast_none"] >= 0.75
    assert metrics["recovered_descent_none"] == 0
    missed = metrics["unrecovered"]["descent"]["none"]
    assert missed["codes"] == missed["stopped"] == 4
    assert metrics["z_error_by_noise"]["fast"]["clip"].keys() == {"0.1"}
    assert metrics["conditioning"] == "measured"
    assert list(metrics["predicted"]) == ["descent"]
    assert metrics["condition_number"] > 1
    assert list(result.figures) == ["success.png", "noise.png", "reconstructions.png"]
    for picture in result.figures.values():
        assert np.asarray(Image.open(io.BytesIO(picture))).std() > 1
    assert "| standard clipping |" in (result.table or "")
    kept = folder / "run" / "trials"
    before = {name: kept.modified_ms(name) for name in kept.names()}
    assert len(before) == 4 * (1 + 2 + 1) + 1
    kept.remove(again := "unseen_fast_clip_000004.safetensors")
    assert run_job(job, context) == result
    after = {name: kept.modified_ms(name) for name in kept.names()}
    assert [name for name in before if before[name] != after[name]] == [again]


def test_clipping_is_refused_for_another_prior_before_anything_runs(folder, context, tiny_generator):
    write_generator(tiny_generator, folder / "normal", {"data": DIGITS.model_dump(mode="json")})
    context = replace(context, inputs={"generator": folder / "normal"})
    with pytest.raises(InversionError, match="constraint=clip keeps codes in .* normal prior"):
        run_job(config(), context)
    assert sorted(folder.names()) == ["generator", "normal"]
    run_job(config(techniques=["none"], inversions={"fast": QUICK}, noises=[0.1], probes=0), context)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unseen": 98}, "unseen=98, but of the 1,797 images of digits train .* trained on 1,700"),
        ({"data": DIGITS.model_copy(update={"max_images": 50})}, "of the 50 images .* trained on 50"),
    ],
)
def test_images_that_were_trained_on_are_not_unseen(context, settings, message):
    with pytest.raises(DataError, match=message):
        run_job(config(**settings), context)


def test_unseen_images_must_fit_and_be_named_where_none_are_known(folder, context, uniform_generator):
    with pytest.raises(GeneratorError, match=r"the data is 1 x 32 x 32"):
        run_job(config(data={"source": "digits", "size": 32, "channels": 1}), context)
    write_generator(uniform_generator, folder / "other", {})
    with pytest.raises(GeneratorError, match=r"name unseen images with data\.source"):
        run_job(config(), replace(context, inputs={"generator": folder / "other"}))


def test_a_condition_that_memory_has_no_room_for_is_not_measured_and_the_job_goes_on(
    context, monkeypatch, caplog
):
    monkeypatch.setattr(conditioning, "free_memory", lambda device: 0)
    small = config(techniques=["none"], inversions={"descent": DESCENT}, noises=[0.1])
    result = run_job(small, context)
    assert result.metrics["unrecovered"]["descent"]["none"]["unknown"] == 4
    assert result.metrics["conditioning"].startswith("not measured: the Jacobian of 256 pixels")
    assert "The generator's condition: not measured (the Jacobian of 256 pixels" in (result.table or "")
    assert "The table goes without the generator's condition" in caplog.text
    assert list(result.figures) == ["success.png", "noise.png", "reconstructions.png"]


def test_without_settings_it_is_the_papers_experiment():
    settings = RecoverJob.model_validate({"generator": "g"})
    assert references(settings) == {"generator": "g"}
    assert isinstance(settings.generator, GeneratorRef)
    assert (settings.codes, settings.techniques) == (1000, tuple(RECOVERED))
    assert settings.thresholds == tuple(RECOVERED["none"])
    inversion = settings.inversions["descent"]
    assert (inversion.solver, inversion.lr, inversion.lr_halving_steps) == ("gradient-descent", 1.0, 50_000)
    assert (inversion.steps, inversion.patience, inversion.init_codes) == (100_000, None, "prior")
    searches = 3 * (1000 + 7 * 100 + 10 * 100)
    steps = searches * (100_000 + 2 * 2000)
    assert settings.cost(None) == {"searches": 2 * searches, "steps at most": steps}
    assert "descent: gradient-descent, lr 1, 100,000 steps" in (said := "; ".join(settings.settings_text()))
    assert "fast: lbfgs, not the paper's gradient-descent, 2,000 steps at most" in said


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inversions": {"a": QUICK | {"constraint": "clip"}}}, "remove inversions.a.constraint"),
        ({"inversions": {"a": QUICK | {"measurement": {"mask": "top"}}}}, "remove inversions.a.measurement"),
        ({"inversions": {"a.b": QUICK}}, "an inversion's name is letters"),
        ({"inversions": {}}, "at least 1 item"),
        ({"repeats": 1}, "greater than or equal to 2"),
        ({"techniques": ["clipp"]}, "'clip'"),
        ({"noises": []}, "at least 1 item"),
    ],
)
def test_settings_that_contradict_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        config(**settings)
