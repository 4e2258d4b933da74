"""Exploring: which settings are refused before anything starts, what they mean, and the table."""

import pytest
import torch
from pydantic import ValidationError

from explore_jobs import DATA, QUICK, config
from preimage.data.catalog import Catalog
from preimage.errors import DataError, InversionError
from preimage.jobs.explore.job import ExploreJob
from preimage.jobs.explore.report import ExploreReport
from preimage.jobs.references import references
from preimage.models.config import DcganConfig
from preimage.storage.folder import Folder


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ({"codes": "g"}, "names must differ by more than"),
        ({"a.b": "g"}, "a generator's name is letters"),
        ({"GAN": {"store": "s"}}, "generator"),
    ],
)
def test_names_beside_it_that_contradict_are_refused(beside, message):
    with pytest.raises(ValidationError, match=message):
        config(beside=beside)


@pytest.mark.parametrize("key", ["arithmetic", "conditions"])
@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"where": "lable = 1"}, "no column 'lable' .*did you mean 'label'"),
        ({"where": "label = 'seven'"}, "no class 'seven'; its classes are 0, 1"),
        ({"where": "label > 10"}, "no image of .* fulfils where: label > 10"),
        ({"label": "seven"}, "no class 'seven'"),
    ],
)
def test_a_choice_that_the_images_do_not_have_is_refused_before_anything_starts(
    digits, tmp_path, key, choice, message
):
    catalog = Catalog(digits.folder.parent)
    choice = choice | {"max_images": 1}
    asked = {"arithmetic": [{"plus": [{"label": 0}], "minus": [choice]}], "conditions": choice}[key]
    with pytest.raises(DataError, match=message):
        config(**{key: asked}).check_images(digits.config, catalog)
    if "no image" not in message:  # before they are prepared too
        with pytest.raises(DataError, match=message):
            config(**{key: asked}).check_images(digits.config, Catalog(Folder.at(tmp_path)))
    config(arithmetic=[{"plus": [{"where": "label = '1'"}]}]).check_images(digits.config, catalog)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inversion": QUICK | {"init_codes": "regression"}}, "set init_codes=prior"),
        ({"inversion": QUICK | {"measurement": {"mask": "top"}}}, "condition says what is seen"),
        ({"conditions": [3, 4, 3]}, "conditions names an image twice"),
        ({"arithmetic": [{"plus": []}]}, "at least 1 item"),
        ({"arithmetic": [{"plus": [{"label": 1, "ids": [2]}]}]}, "give one of label, where and ids"),
        ({"arithmetic": [{"plus": [{}]}]}, "give one of label, where and ids"),
        ({"arithmetic": [{"plus": [{"ids": [1], "max_images": 3}]}]}, "max_images is for label and where"),
        ({"arithmetic": [{"plus": [{"where": "label == 1"}]}]}, "expected =, !=, .* but found '=='"),
        ({"conditions": {"where": "label = 1"}}, "conditions needs max_images"),
        ({"conditions": {"ids": [2, 2]}}, "conditions names an image twice"),
        ({"steps": 1}, "greater than or equal to 2"),
        ({"draws": 1}, "greater than or equal to 2"),
    ],
)
def test_settings_that_contradict_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        config(**settings)


def test_a_condition_that_does_not_fit_is_known_before_anything_starts():
    model = DcganConfig(latent_dim=4, prior="normal", image_size=16, channels=1)
    config().check_generator(model)
    with pytest.raises(InversionError, match="pool 5 does not divide images of 16 x 16"):
        config(condition={"pool": 5}).check_generator(model)


def test_the_table_says_how_well_draws_agree_and_skips_those_that_diverged():
    found = {
        5: {
            "relative_error": torch.tensor([1e-4, 3e-4, torch.nan]),
            "diverged": torch.tensor([False, False, True]),
            "spread": torch.tensor([0.1]),
            "unconditional": torch.tensor([0.4]),
        },
        8: {
            "relative_error": torch.tensor([5e-4, 5e-4, 6e-4]),
            "diverged": torch.tensor([False] * 3),
            "spread": torch.tensor([0.3]),
            "unconditional": torch.tensor([0.5]),
        },
    }
    report = ExploreReport(found, draws=3)
    lines = report.table().splitlines()
    assert "| 5 | 2.0e-04 | 3.0e-04 | 0.100 | 0.400 |" in lines
    assert "| **all** | 4.0e-04 |  | 0.200 | 0.450 |" in lines
    metrics = report.metrics()
    assert (metrics["conditions"], metrics["draws"], metrics["diverged"]) == (2, 3, 1)
    assert metrics["relative_error_median"] == pytest.approx(5e-4)


def test_without_settings_it_is_the_papers_condition():
    settings = ExploreJob.model_validate({"generator": "g", "store": "s"})
    assert (settings.condition.pool, settings.condition.mask) == (8, "all")
    assert settings.cost(None) == {"searches": 48, "steps at most": 48 * 1000}
    assert config(conditions=[1, 2, 5]).cost(100) == {"searches": 9, "steps at most": 270}
    assert config(conditions={"label": 1, "max_images": 4}).cost(100)["searches"] == 12


def test_it_refers_to_a_generator_and_a_store_and_names_its_images():
    found = {key: (str(each), each.product) for key, each in references(config(data=DATA)).items()}
    assert found == {"generator": ("g", "generator"), "store": ("s", "store")}
    assert config().own_data is None
    assert config(data=DATA).own_data.source == "digits"
