"""The compare-reconstructions job: from specs to table and pictures, on tiny generators of digits."""

import pytest
import torch
from pydantic import ValidationError

from declared import run_job
from faulty import planned
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.data.pixels import to_float
from preimage.errors import GeneratorError, SpecError, StoreError
from preimage.jobs.base import Context
from preimage.jobs.compare_reconstructions.job import CompareReconstructionsJob
from preimage.jobs.compare_reconstructions.report import CompareReconstructionsReport, MethodRow
from preimage.jobs.published import GLO_ERRORS
from preimage.jobs.references import references
from preimage.metrics.reconstruction import Reconstruction
from preimage.models.cards import read_card
from preimage.models.generator_folder import write_generator
from preimage.pipelines.execute import execute
from preimage.runs.run_folder import RunFolder
from preimage.specs.load import loads
from stores import linear_generator, write_store

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 200}
SETTINGS = Resources(backend="local", gpu=False)


@pytest.fixture
def ids(digits):
    return digits.read(0, 200).image_id


@pytest.fixture
def methods(folder, digits, ids, tiny_generator):
    """PCA of digits, and a DCGAN with random codes, each in a folder with `generator` and `store`."""
    images = to_float(digits.read(0, 200).pixels).flatten(1)
    pca = linear_generator(6, seed=0)
    with torch.no_grad():
        pca.mean.copy_(images.mean(0))
        pca.components.copy_(torch.linalg.svd(images - images.mean(0), full_matrices=False)[2][:6])
    scores = (images - pca.mean.detach()) @ pca.components.detach().T
    z = torch.randn(200, 4, generator=torch.Generator().manual_seed(1))
    for name, generator, codes in (("PCA", pca, scores), ("GLO (L2)", tiny_generator, z)):
        card = write_generator(generator, folder / name / "generator", {"data": DATA})
        write_store(folder / name / "store", card, digits, codes, ids)
    return folder


def asked(folder, *names, **settings):
    place = {name: {part: (folder / name / part).uri for part in ("generator", "store")} for name in names}
    return {"job": "compare-reconstructions", "methods": place} | settings


def context(folder, digits, job):
    """A context whose inputs are the folders that the job refers to, and whose dataset is there already."""
    inputs = {key: folder.at(name) for key, name in references(job).items()}
    datasets = digits.folder.at(digits.folder.uri.rsplit("/", 1)[0])
    return Context(RunFolder(folder / "run"), Catalog(datasets), "", SETTINGS, inputs=inputs)


def start(folder, digits, **settings):
    given = asked(folder, "PCA", "GLO (L2)") | settings
    job = CompareReconstructionsJob.model_validate(given)
    return run_job(job, context(folder, digits, job))


def asks(job):
    """What a job refers to: the name and the product, by dotted key."""
    return {key: (str(each), each.product) for key, each in references(job).items()}


def test_a_job_leaves_the_table_and_the_papers_figures(methods, digits):
    sizes = [asked(methods, name)["methods"][name] for name in ("PCA", "GLO (L2)")]
    result = start(methods, digits, dimensions=sizes)
    table = result.metrics["table"]
    images = to_float(digits.read(0, 200).pixels).flatten(1).double()
    spectrum = torch.linalg.svdvals(images - images.mean(0)).square()
    assert table["PCA"]["explained"] == pytest.approx((spectrum[:6].sum() / spectrum.sum()).item(), rel=1e-5)
    assert table["PCA"]["mse"] == pytest.approx((spectrum[6:].sum() / images.numel()).item(), rel=1e-5)
    assert (table["PCA"]["latent_dim"], table["GLO (L2)"]["latent_dim"]) == (6, 4)
    assert result.metrics["ordering"] == ["PCA", "GLO (L2)"]
    assert result.metrics["glo_beats_pca"] is False
    assert result.metrics["glo_is_flatter_than_pca"] is (
        table["GLO (L2)"]["effective_rank"] > table["PCA"]["effective_rank"]
    )
    names = ("reconstructions.png", "dimensions.png", "errors.png", "directions.png")
    assert tuple(result.figures) == names
    assert f"| PCA | 6 | 200 | {table['PCA']['mse']:.3g} | {table['PCA']['lap1']:.3g} |" in (
        result.table or ""
    )
    assert all(picture[:4] == b"\x89PNG" for picture in result.figures.values())


def test_another_generators_store_is_refused(methods, digits):
    store = (methods / "GLO (L2)" / "store").uri
    wrong = {"PCA": {"generator": (methods / "PCA" / "generator").uri, "store": store}}
    with pytest.raises(StoreError, match=r"PCA: .* holds codes of another generator: give the one"):
        start(methods, digits, methods=wrong)


def test_stores_of_different_images_are_refused(methods, digits, ids):
    other = type(digits)(digits.folder, digits.manifest | {"fingerprint": "other"})
    card = read_card(methods / "GLO (L2)" / "generator")
    write_store(methods / "b", card, other, torch.randn(200, 4), ids)
    given = asked(methods, "PCA", "GLO (L2)")
    given["methods"]["GLO (L2)"]["store"] = (methods / "b").uri
    with pytest.raises(StoreError, match=r"GLO \(L2\): the codes in .* stand for other images"):
        start(methods, digits, **given)
    del given["methods"]["PCA"]
    with pytest.raises(StoreError, match=r"GLO \(L2\): the codes in .* stand for other images"):
        start(methods, digits, **given)


def test_names_that_mlflow_would_take_for_one_are_refused():
    with pytest.raises(ValidationError, match=r"names must differ by more than \( \) and \+"):
        CompareReconstructionsJob.model_validate({"methods": {"GLO (L2)": "a", "GLO L2": "b"}})


def test_codes_and_images_out_of_step_are_refused_with_the_methods_name(methods, digits, ids):
    card = read_card(methods / "GLO (L2)" / "generator")
    write_store(methods / "b", card, digits, torch.randn(200, 4), ids.flip(0))
    given = asked(methods, "PCA", "GLO (L2)")
    given["methods"]["GLO (L2)"]["store"] = (methods / "b").uri
    with pytest.raises(StoreError, match=r"GLO \(L2\): codes and images are out of step: row 0 of"):
        start(methods, digits, **given)


def test_a_generator_of_other_images_and_one_of_unknown_ones_are_refused(methods, digits, ids):
    generator, places = linear_generator(2, seed=0, size=8), asked(methods, "PCA")["methods"]
    card = write_generator(generator, methods / "small" / "generator", {})
    write_store(methods / "small" / "store", card, digits, torch.randn(200, 2), ids)
    small = asked(methods, "small")["methods"]
    with pytest.raises(
        GeneratorError, match="small: the generator makes images of 1 x 8 x 8, but the data is 1 x"
    ):
        start(methods, digits, methods=places | small)
    with pytest.raises(GeneratorError, match=r"small: this generator does not say what it was trained on"):
        start(methods, digits, methods=small)
    with pytest.raises(GeneratorError, match="small: the generator makes images of 1 x 8 x 8"):
        start(methods, digits, methods=small, data=DATA)


def test_a_pipeline_runs_it_and_its_fingerprint_knows_the_methods_names(methods, tmp_path):
    step = asked(methods, "PCA", "GLO (L2)")
    plan = planned(tmp_path / "results", {"table": step})
    assert list(execute(plan).metrics["table.table"]) == ["PCA", "GLO L2"], "as in MLflow"
    assert planned(tmp_path / "results", {"table": step}).steps[0].state == "finished"
    renamed = {"GLO": step["methods"]["GLO (L2)"], "PCA": step["methods"]["PCA"]}
    for change in ({"methods": renamed}, {"dimensions": [step["methods"]["PCA"]]}):
        assert planned(tmp_path / "results", {"table": step | change}).steps[0].state == "new"
    assert plan.steps[0].job.cost(200) == {"images made": 400}


PIPELINE = """\
steps:
  gan: {job: train-gan, data: {source: digits, size: 16}}
  codes: {job: invert, generator: gan}
  table:
    job: compare-reconstructions
    methods:
      GAN: {generator: gan, store: codes}
      METHOD
    dimensions: [DIMENSIONS]
"""


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("M: gan", "line 8: steps.table.methods.M.store: the step 'gan' (train-gan) leaves no store"),
        (
            "M: {generator: codes, store: codes}",
            "line 8: steps.table.methods.M.generator: the step 'codes' (invert) leaves no generator",
        ),
        (
            "M (2): {generator: gan, store: table}",
            "line 8: steps.table.methods.M (2).store: the step 'table' does not come before this one",
        ),
        ("M: {generator: gan}", "line 8: steps.table.methods.M.store: is required"),
        ("M 1.5: gan", "line 6: steps.table.methods: a method's name is letters, digits, spaces and "),
        ("a|b: gan", "but one is 'a|b': write it without a dot"),
    ],
)
def test_what_is_wrong_with_a_method_is_said_with_its_line(method, message):
    with pytest.raises(SpecError) as caught:
        loads(PIPELINE.replace("METHOD", method).replace("DIMENSIONS", ""), "a.yaml", "a")
    assert str(caught.value).startswith("a.yaml has 1 mistake:")
    assert message in str(caught.value)


def test_what_is_shown_must_leave_both_too_and_there_must_be_a_method():
    text = PIPELINE.replace("METHOD", "").replace("DIMENSIONS", "gan")
    with pytest.raises(
        SpecError, match=r"line 9: steps.table.dimensions.0.store: the step 'gan' .* no store"
    ):
        loads(text, "a.yaml", "a")
    with pytest.raises(ValidationError, match="methods"):
        CompareReconstructionsJob.model_validate({"methods": {}})


def test_a_method_is_one_step_or_two(tmp_path):
    spec = loads(PIPELINE.replace("METHOD", "").replace("DIMENSIONS", ""), "a.yaml", "a")
    assert asks(spec.steps["table"]) == {
        "methods.GAN.generator": ("gan", "generator"),
        "methods.GAN.store": ("codes", "store"),
    }
    given = {"methods": {"GLO": "glo"}, "dimensions": ["glo", "glo-512"]}
    both = CompareReconstructionsJob.model_validate(given)
    assert asks(both)["methods.GLO.store"] == ("glo", "store")
    assert asks(both)["dimensions.1.generator"] == ("glo-512", "generator")
    assert CompareReconstructionsJob.model_validate(both.model_dump()) == both
    with pytest.raises(SpecError, match="no generator 'nowhere'"):
        planned(tmp_path, {"table": {"job": "compare-reconstructions", "methods": {"GLO": "nowhere"}}})


def report(digits, source, **skipped):
    dataset = type(digits)(digits.folder, digits.manifest | {"config": DATA | {"source": source}})
    rows = {
        name: MethodRow(
            latent_dim=3,
            found=Reconstruction(1234 - lost, mse, 0.5, 100.0, 0.1, lost),
            explained=torch.tensor([0.5, 0.95, 1.0]),
        )
        for name, mse, lost in (
            ("PCA", 0.02, 0),
            ("GLO (L2)", 0.00012345, skipped.get("glo", 0)),
            ("mine", 0.05, 0),
        )
    }
    return CompareReconstructionsReport(rows, dataset)


def test_the_table_stands_beside_the_papers_where_the_paper_has_the_images(digits):
    found = report(digits, "cifar10", glo=4)
    text = found.table()
    assert "| PCA | 3 | 1,234 | 0.02 | 0.016 | 0.5 | 80.0% | 2 | 2.7 |" in text
    assert "| GLO (L2) | 3 | 1,230 | 0.000123 | 0.005 | 0.5 | 99.9% | 2 | 2.7 |" in text
    assert "| mine | 3 | 1,234 | 0.05 | - | 0.5 | 50.0% | 2 | 2.7 |" in text
    assert "Skipped, because the search for their codes diverged: GLO (L2) 4." in text
    assert found.metrics()["table"]["GLO (L2)"]["skipped"] == 4
    assert found.metrics()["ordering"] == ["GLO (L2)", "PCA", "mine"]
    assert found.metrics()["glo_beats_pca"] is True
    other = report(digits, "fashion-mnist")
    assert "| PCA | 3 | 1,234 | 0.02 | 0.5 |" in other.table()
    assert "the paper's:" not in other.table()
    assert "diverged" not in other.table()
    said = "Our images differ from the paper's: 200 of 50,000 images; 16 pixels, not 64; channels 1, not 3."
    assert said in text


def test_whether_glo_beats_pca_is_declared_where_both_are_compared():
    for names, shown in (
        (("PCA", "GLO (L2)"), ("ordering", "glo_beats_pca", "glo_is_flatter_than_pca")),
        (("PCA", "mine"), ("ordering",)),
    ):
        job = CompareReconstructionsJob.model_validate({"methods": dict.fromkeys(names, "run")})
        assert [each.name for each in job.metrics() if each.headline] == list(shown)


def test_the_papers_rows_are_in_the_papers_order():
    for source in ("cifar10", "celeba"):
        [rows] = [each.values for each in GLO_ERRORS if each.images.source == source]
        assert sorted(rows, key=rows.__getitem__)[0] == "GLO (L2)"
        assert rows["GLO (Lap1)"] < rows["PCA"] < rows["GAN"]
