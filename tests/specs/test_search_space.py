import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from preimage.specs.search import SchedulerConfig, Space
from preimage.specs.search_space import (
    active,
    complete,
    grid_points,
    grid_size,
    ordered,
    required,
    settle,
    variants,
)

TREE = {
    "momentum": {"choice": [0.5, 0.9], "when": {"optimizer": ["sgd", "rmsprop"]}},
    "nesterov": {"choice": [True, False], "when": {"momentum": 0.9, "optimizer": "sgd"}},
    "optimizer": {"choice": ["adam", "sgd", "rmsprop"]},
    "width": {"int": [3, 4]},
}


def space_of(spaces):
    return {key: Space.model_validate(each) for key, each in spaces.items()}


def test_keys_come_after_those_that_they_depend_on():
    assert ordered(space_of(TREE)) == ["optimizer", "momentum", "nesterov", "width"]
    circle = {"a": {"choice": [1], "when": {"b": 1}}, "b": {"choice": [1], "when": {"a": 1}}}
    with pytest.raises(ValueError, match="the conditions of a, b depend on each other"):
        ordered(space_of(circle))


def test_a_grid_has_every_point_once_and_no_value_whose_condition_fails():
    space = space_of(TREE)
    points = grid_points(space)
    # adam: 1; sgd: 0.5, 0.9 with two nesterovs; rmsprop: 0.5, 0.9; each with two widths
    assert len(points) == 2 * (1 + 3 + 2)
    assert grid_size(space) == 2 * 2 * 3 * 2
    assert len({str(point) for point in points}) == len(points)
    assert {"nesterov" in point for point in points if point.get("momentum") != 0.9} == {False}
    assert all(list(point) == [key for key in TREE if key in point] for point in points), (
        "in the space's order"
    )


@given(st.fixed_dictionaries({key: st.sampled_from(range(9)) for key in TREE}))
def test_a_point_has_a_key_exactly_where_its_condition_holds(chosen):
    space = space_of(TREE)
    values = {
        key: (each.choice or (3, 4))[chosen[key] % len(each.choice or (3, 4))] for key, each in space.items()
    }
    point = settle(space, values)
    for key in space:
        assert (key in point) == active(space, key, point)
    assert settle(space, values | point) == point


def test_variants_reach_every_value_of_every_key():
    space = space_of(TREE)
    reached = {(key, str(point[key])) for key, point in variants(space)}
    assert reached == {(key, str(value)) for key, each in space.items() for value in each.choice or (3, 4)}
    assert required(space, "nesterov") == {"momentum": 0.9, "optimizer": "sgd"}
    assert complete(space, {}) == {"optimizer": "adam", "width": 3}


def test_variants_of_a_continuous_key_are_its_bounds_and_a_number_between_that_is_not_whole():
    points = [point["a"] for _, point in variants(space_of({"a": {"uniform": [1, 3]}}))]
    assert points[:2] == [1, 3]
    assert 1 < points[2] < 3
    assert points[2] % 1


def test_conditions_that_contradict_each_other_are_found():
    space = space_of(TREE | {"both": {"choice": [1], "when": {"momentum": 0.5, "nesterov": True}}})
    with pytest.raises(ValueError, match="no value of momentum satisfies it"):
        required(space, "both")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "exactly one of choice, int, uniform, log-uniform"),
        ({"choice": [1], "int": [1, 2]}, "exactly one of"),
        ({"choice": []}, "at least one value"),
        ({"choice": [1, 2, 1]}, "the values of choice must differ"),
        ({"int": [4, 4]}, "lower bound must be below the upper"),
        ({"uniform": [0.5, 0.1]}, "lower bound must be below the upper"),
        ({"log-uniform": [0, 1]}, "lower bound above 0"),
        ({"int": [0, 9], "log": True}, "lower bound above 0"),
        ({"uniform": [1, 2], "log": True}, "write log-uniform"),
        ({"int": [1.5, 3]}, "valid integer"),
        ({"unifrom": [1, 3]}, "not permitted"),
    ],
)
def test_a_space_that_cannot_be_meant_is_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        Space.model_validate(wrong)


def test_what_is_written_is_read_again():
    for spaces in (TREE, {"a": {"log-uniform": [0.1, 1.0]}, "b": {"int": [1, 8], "log": True}}):
        space = space_of(spaces)
        assert space_of({key: each.plain() for key, each in space.items()}) == space


@pytest.mark.parametrize("name", ["asha", "median"])
def test_a_scheduler_without_its_metric_is_refused(name):
    with pytest.raises(ValidationError, match=f"{name} needs `metric`"):
        SchedulerConfig(name=name, min_resource=10)
