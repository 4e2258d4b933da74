"""The invertibility job: random nets that satisfy the theorem, and some that do not."""

from functools import cache

import pytest
import torch

from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.errors import InversionError
from preimage.jobs.base import Context
from preimage.jobs.invertibility.config import DirectionsConfig
from preimage.jobs.invertibility.directions import Directed, Directions
from preimage.jobs.invertibility.job import InvertibilityJob
from preimage.jobs.invertibility.nets import Net
from preimage.jobs.invertibility.recovery import Found, Recovery, half_recovered
from preimage.runs.run_folder import RunFolder
from preimage.work.reproducible import prepare_process

CPU = torch.device("cpu")
TINY = InvertibilityJob(
    seed=0,
    latent_dim=4,
    hidden=8,
    last=(1, 8),
    first=(8,),
    layers=(2, 3),
    filters=((3, 2),),
    rates=(1.0, 0.5),
    networks=1,
    codes=4,
    directions=DirectionsConfig(
        channels=((1, 1), (16, 32)), rates=(1.0,), radii=4, angles=5, networks=1, codes=2
    ),
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    prepare_process(1)  # as a worker does: nets this small are slower on two threads


def test_a_nets_images_are_as_large_as_it_says():
    for net in (Net((2, 3, 1), 5, 3), Net((4, 2, 2, 2, 3), 2, 2), Net((3, 2), 4, 2)):
        assert net.make(0)(torch.zeros(1, net.channels[0])).shape[1:] == (
            net.channels[-1],
            net.side,
            net.side,
        )


def test_codes_are_recovered_through_expansive_layers_and_not_through_narrow_ones():
    recovery = Recovery(TINY.inversion, networks=1, codes=8, seed=0)
    wide, narrow = (recovery(Net((6, *channels), 2, 2), CPU) for channels in ((16, 16), (1, 8)))
    assert wide["recovered_negative"].float().mean() > 0.9
    assert wide["full_rank"].all()
    assert not narrow["recovered_negative"].any()
    assert not narrow["another_code"].all()
    assert (wide["recovered_negative"] | ~wide["recovered"]).all(), "a second start loses nothing"


def test_a_jacobian_has_full_rank_only_if_enough_is_seen():
    recovery = Recovery(TINY.inversion.model_copy(update={"steps": 1}), networks=1, codes=4, seed=0)
    assert recovery(Net((6, 16, 4), 2, 2), CPU)["full_rank"].all()
    assert not recovery(Net((6, 16, 4), 2, 2, rate=1 / 16), CPU)["full_rank"].any(), (
        "4 values of 6 components"
    )


@pytest.mark.parametrize(("shares", "half"), [((0.0, 1.0), 2.0), ((0.2, 0.4), None), ((0.6, 1.0), None)])
def test_half_is_recovered_between_two_expansivities(shares, half):
    """By their logarithm: between 1 and 4 that is 2."""
    nets = (Net((2, 2, 1), 2, 2), Net((2, 2, 4), 2, 2))
    curve = [Found(net, {"recovered_negative": share}) for net, share in zip(nets, shares, strict=True)]
    scale = nets[0].expansivity[-1]
    assert half_recovered(curve) == (half and pytest.approx(half * scale))


@cache
def measured(*channels):
    config = DirectionsConfig(radii=4, angles=5, networks=3, codes=1)
    net = Net((6, *channels), 2, 2)
    return Directed(net, Directions(config, TINY.inversion, 0)(net, CPU), config)


def test_the_cost_descends_everywhere_through_a_wide_net_and_not_through_a_narrow_one():
    wide, narrow = measured(24, 48).summary(), measured(1, 1).summary()
    assert (wide["stationary"], wide["stuck"], wide["zero"]) == (0, 0, 0)
    assert wide["slope"] > 0.05
    assert wide["expected"] > 0.8
    assert wide["epsilon"] < 0.1
    assert narrow["stationary"] > 0, "equation 4"
    assert narrow["zero"] > 0, "equation 5"
    assert narrow["stuck"] > 0.5
    assert narrow["epsilon"] > 0.5


def test_places_within_the_balls_do_not_count():
    config = DirectionsConfig(reach=2.0, radii=2, angles=3)  # 1 and 2, at 0, 90 and 180 degrees
    net = Net((6, 8, 8), 2, 2)
    assert Directed(net, {}, config).outside.tolist() == [[False, True, True], [True, True, True]]
    wide = config.model_copy(update={"epsilon": 0.7})
    assert Directed(net, {}, wide).outside.tolist() == [[False, True, False], [True, True, True]]


def test_a_descents_end_is_placed_along_the_code_and_across_it():
    found = measured(24, 48)
    ends = found.results["end"].flatten(0, 3)
    torch.testing.assert_close(ends, torch.tensor([1.0, 0.0]).double().expand_as(ends), atol=0.1, rtol=0)
    arrows = found.results["arrow"]
    assert (arrows[..., -1, 0, 0] < 0).all(), "beyond z* back to it"
    assert (arrows.norm(dim=-1) <= 1 + 1e-9).all()


def test_a_rate_that_shows_no_pixel_is_refused_before_anything_runs(folder):
    with pytest.raises(InversionError, match="observes none of the 4 x 4 pixels"):
        InvertibilityJob.model_validate({"rates": [0.01]}).check(Catalog(folder))


def test_a_net_that_two_sweeps_share_runs_once():
    assert len(TINY.nets) == 2 * (
        1 + 2 + 1 + 1 + 1
    )  # base, two laws, three layers, another kernel, half seen
    searches = 2 * len(TINY.nets) * 4 + 2 * (2 * 4 * 5)
    assert TINY.cost(None) == {"searches": searches, "generator evaluations at most": 2 * 400 * searches}


def test_a_run_gives_figures_a_table_and_metrics_of_every_net(folder):
    context = Context(RunFolder(folder), Catalog(folder / "datasets"), "", Resources(backend="local"))
    quick = TINY.model_copy(update={"inversion": TINY.inversion.model_copy(update={"steps": 20})})
    result = run_job(quick, context)
    assert list(result.figures) == ["expansivity.png", "recovery.png", "directions.png"]
    assert all(picture.startswith(b"\x89PNG") for picture in result.figures.values())
    recovered = result.metrics["recovered"]
    assert {name: list(curves) for name, curves in recovered.items()} == {
        "channels": ["8"],
        "weights": ["theorem", "uniform-zero-mean", "rademacher"],
        "layers": ["2", "3"],
        "filters": ["3-2"],
        "rates": ["1", "0.5"],
    }
    assert recovered["rates"]["1"] == recovered["channels"]["8"] == recovered["layers"]["2"]
    assert list(result.metrics["directions"]) == ["1-1", "16-32"]
    assert result.metrics["stuck_narrowest"] == result.metrics["directions"]["1-1"]["1"]["stuck"]
    assert "| 4-8-8-8 |" in result.table
    assert "| 16, 32 | 1 |" in result.table
    assert "Networks of each kind: 1; codes in each: 4, of 4 components; adam, 20 steps" in result.table
