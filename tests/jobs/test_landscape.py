"""The landscape job: J against closed forms, the flat counter-example, and a whole tiny run."""

import pytest
import torch
from torch import nn

from declared import run_job
from preimage.config import Resources
from preimage.data.catalog import Catalog
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.jobs.base import Context
from preimage.jobs.landscape.job import KINDS, NET_METRICS, LandscapeJob
from preimage.jobs.landscape.report import nets_table, summary
from preimage.jobs.landscape.run import explore
from preimage.jobs.observed_values import observed_values
from preimage.metrics.landscape import Cost, distinct, flat_area, is_minimum, lattice
from preimage.models.random_nets import RandomNet
from preimage.runs.run_folder import RunFolder
from preimage.work.reproducible import prepare_process

CPU = torch.device("cpu")

TINY = LandscapeJob(grid=41, starts=3, networks=2, steps=300, seed=0)

MATRIX = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, -1.0]])


def linear(code, matrix=MATRIX):
    return Cost(lambda codes: codes @ matrix.double().T, code)


def test_the_cost_of_a_linear_net_is_its_quadratic():
    code, codes = torch.tensor([1.0, 2.0]), torch.randn(5, 2)
    square = (MATRIX.T @ MATRIX).double()
    offsets = codes.double() - code.double()
    expected = torch.einsum("ni,ij,nj->n", offsets, square, offsets) / 2
    surface = linear(code)
    torch.testing.assert_close(surface(codes), expected)
    torch.testing.assert_close(surface.curvatures(codes), torch.linalg.eigvalsh(square).expand(5, 2))


def test_what_is_seen_is_what_the_measurement_leaves():
    net, codes = RandomNet((2, 3, 1), kernel=2, stride=2), torch.randn(3, 2, dtype=torch.float64)
    whole = net.double()(codes)
    half = observed_values(net, make_measurement(MeasurementConfig(mask="top", pool=2), (1, 4, 4)))(codes)
    torch.testing.assert_close(half, nn.functional.avg_pool2d(whole, 2)[:, 0, 0])
    assert observed_values(net, make_measurement(MeasurementConfig(), (1, 4, 4)))(codes).shape == (3, 16)


def test_curvatures_at_the_code_are_the_hessian_of_the_cost():
    net = RandomNet(activation="tanh", gain="unit")
    code = torch.tensor([0.3, -0.8])
    half = make_measurement(MeasurementConfig(mask="random", rate=0.5), (1, 17, 17))
    surface = Cost(observed_values(net, half), code)
    assert surface.observed == round(0.5 * 17 * 17)
    hessian = torch.autograd.functional.hessian(lambda z: surface(z[None])[0], code.double())
    torch.testing.assert_close(surface.curvatures(code[None])[0], torch.linalg.eigvalsh(hessian))


def test_a_lattice_is_centred_and_its_first_component_varies_fastest():
    points = lattice(torch.tensor([1.0, -1.0]), 2.0, 3)
    assert points.tolist()[:4] == [[-1, -3], [1, -3], [3, -3], [-1, -1]]
    assert points.mean(0).tolist() == [1, -1]


def test_only_a_point_below_all_of_its_surroundings_is_a_minimum():
    surface = linear(torch.tensor([1.0, 2.0]))
    points = torch.tensor([[1.0, 2.0], [1.01, 2.0], [1.5, 2.0], [-3.0, 0.0]])
    assert is_minimum(surface, points, 0.1).tolist() == [True, True, False, False]
    flat = linear(torch.zeros(2), torch.zeros(4, 2))
    assert is_minimum(flat, points, 0.1).tolist() == [False] * 4


def test_codes_near_one_another_count_once():
    codes = torch.tensor([[0.0, 0.0], [0.05, 0.0], [1.0, 0.0], [1.0, 0.02]])
    assert distinct(codes, 0.1).tolist() == [[0, 0], [1, 0]]
    assert distinct(codes[:0], 0.1).shape == (0, 2)


def test_a_quadratics_flat_area_is_that_of_its_ellipse():
    """J < share * mean is a disc; of J = r^2/2 over [-1, 1]^2 the mean is 1/3."""
    points = lattice(torch.zeros(2, dtype=torch.float64), 1.0, 801)
    area = flat_area(points.square().sum(1) / 2, 0.1)
    assert area == pytest.approx(torch.pi * (0.1 * 2 / 3) / 4, rel=0.02)


def test_through_wide_relu_layers_the_cost_has_a_dip_at_minus_one_over_pi():
    """On the ray of -z* (Hand and Voroninski 2017, whose rho_2 is 1/pi): the table says so."""
    net = RandomNet((4, 1500, 1500), kernel=1, stride=1, weights="theorem").double()
    code = torch.tensor([0.5, -1.0, 1.5, 0.3])
    radii = torch.linspace(0.1, 0.6, 251)
    values = Cost(lambda codes: net(codes).flatten(1), code)(-radii[:, None] * code)
    assert radii[values.argmin()] == pytest.approx(1 / torch.pi, abs=0.03)


@pytest.fixture(scope="module")
def explored():
    prepare_process(1)  # as a worker does: nets this small are slower on two threads
    return {kind: explore(TINY, (kind, 1), CPU) for kind in KINDS}


def test_descents_reach_the_code_where_weights_have_mean_zero(explored):
    for kind in ("relu", "leaky_relu", "sigmoid"):
        assert explored[kind]["reached_negative"].all(), kind
        assert explored[kind]["flat_area"] < 0.01
        assert explored[kind]["curvatures"][0] > 0.1 * explored[kind]["curvatures"][1]


def test_the_counter_example_has_a_flat_minimum(explored):
    flat = explored["counter_example"]
    assert flat["curvatures"].abs().max() == 0
    assert flat["flat_area"] > 0.3
    assert flat["minima"] == 0
    assert (flat["same_image"] & ~flat["reached"]).sum() >= 2


def test_the_counter_examples_minimum_is_flat_for_such_codes_alone():
    bright = LandscapeJob(**(TINY.model_dump() | {"true_code": (1.0, 1.0)}))
    results = explore(bright, ("counter_example", 0), CPU)
    assert results["curvatures"][0] > 0
    assert results["flat_area"] < 0.2


def test_paths_begin_at_the_lattice_and_end_where_the_descent_does(explored):
    paths = explored["relu"]["paths"]
    starts = lattice(torch.tensor(TINY.true_code), TINY.window * (1 - 1 / 3), 3)
    torch.testing.assert_close(paths[:, 0], starts)
    assert ((paths[:, -1] - torch.tensor(TINY.true_code)).norm(dim=1) < 0.1).equal(
        explored["relu"]["reached"]
    )


def test_other_minima_are_placed_by_the_code_and_none_where_there_are_none():
    one = {
        "reached": torch.tensor([True, False]),
        "reached_negative": torch.tensor([True, True]),
        "same_image": torch.tensor([True, False]),
        "minima": torch.tensor(2),
        "flat_area": torch.tensor(0.25),
        "curvatures": torch.tensor([1.0, 4.0]),
        "others": torch.tensor([[0.5, 0.5]]),
    }
    found = summary([one], (-1.0, -1.0))
    assert tuple(found) == NET_METRICS
    assert list(found.values()) == pytest.approx([0.5, 1.0, 0.0, 2.0, 0.25, 0.25, -0.5, -1.0])
    alone = summary([one | {"others": torch.zeros(0, 2)}], (-1.0, -1.0))
    assert (alone["other_minimum_along"], alone["other_minimum_cosine"]) == (None, None)
    lines = nets_table({"relu": found, "tanh": alone}).splitlines()
    assert "| ReLU | 50.0% | 100.0% | 2.00 | -0.50 z* | 0.0% | 25.00% | 0.250 |" in lines[2]
    assert "| tanh | 50.0% | 100.0% | 2.00 | - | 0.0% | 25.00% | 0.250 |" in lines[3]


def test_a_run_gives_figures_a_table_and_metrics_of_every_net(folder):
    context = Context(RunFolder(folder), Catalog(folder / "datasets"), "", Resources(backend="local"))
    result = run_job(TINY, context)
    assert list(result.figures) == ["landscape.png"]
    assert all(picture.startswith(b"\x89PNG") for picture in result.figures.values())
    assert len((folder / "trials").names()) == len(KINDS) * TINY.networks
    absent = {name for name, value in result.metrics.items() if value is None}
    assert all(isinstance(result.metrics[name], float) for name in set(result.metrics) - absent)
    assert absent <= {f"other_minimum_{how}_{kind}" for how in ("along", "cosine") for kind in KINDS}
    assert {f"{name}_{kind}" for kind in KINDS for name in NET_METRICS} <= set(result.metrics)
    assert result.metrics["flat_area_counter_example"] > 20 * result.metrics["flat_area_relu"]
    assert "| sigmoid | 100.0%" in (result.table or "")


def test_the_cost_is_counted_before_anything_runs():
    counted = TINY.cost(None)
    assert counted == {"searches": 2 * 90, "generator evaluations at most": 2 * 2 * 90 * 300}


def test_the_picture_says_what_it_draws():
    assert TINY.drawn == (
        "Square root of J(z) over its maximum in the window. Nets of 2-16-1 channels, kernel 5, stride 3, "
        "weights N(0, 1), 50% of the pixels seen (mask random). Of 2 nets of each kind, the one in which the "
        "fewest descents reach z* (star); red is where others end."
    )
    other = LandscapeJob.model_validate({"gain": "unit", "measurement": MeasurementConfig()})
    assert (
        "weights N(0, 1), scaled to activations of order one, 100% of the pixels seen (mask all)"
        in other.drawn
    )
