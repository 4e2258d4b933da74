"""`preimage runs rm`: nothing that another run needs goes, whatever happens meanwhile."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kept_runs import MARKERS, add_run, is_whole
from preimage.errors import PreimageError, SpecError
from preimage.housekeeping.needs import Needs
from preimage.housekeeping.prune import plan_prune, prune
from preimage.housekeeping.remove import plan_removal, remove
from preimage.housekeeping.take import InUse
from preimage.runs.run_folder import RunFolder
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder
from preimage.storage.removal import is_marked, mark, require_kept
from shell import Shell


@pytest.fixture
def root(folder):
    add_run(folder, "train-a", products=["generator", "checkpoints"])
    add_run(folder, "invert-a", job="invert", inputs={"generator": "train-a/generator"}, products=["store"])
    add_run(folder, "pag-a", job="pag", inputs={"store": "invert-a/store"})
    add_run(folder, "pipeline-a", job="pipeline", steps=["train-a", "invert-a"])
    return folder


def left(root):
    return sorted(Needs(root).found)


def test_who_needs_a_run_is_named(root):
    with pytest.raises(PreimageError) as caught:
        plan_removal(root, ["train-a"])
    said = str(caught.value)
    assert "train-a is needed by invert-a (its generator)" in said
    assert "train-a is needed by pipeline-a (its step train)" in said
    assert "would do that step again" in said
    assert left(root) == ["invert-a", "pag-a", "pipeline-a", "train-a"]


def test_with_dependents_those_that_need_others_go_first(root):
    plan = plan_removal(root, ["train-a"], with_dependents=True)
    order = plan.names
    assert order.index("pag-a") < order.index("invert-a") < order.index("train-a")
    assert order.index("pipeline-a") < order.index("train-a")
    assert remove(plan) == []
    assert (root / "runs").names() == []


def test_a_pipeline_goes_with_its_steps_but_not_with_those_that_others_need(root):
    plan = plan_removal(root, ["pipeline-a"])
    assert plan.names == ["pipeline-a"]
    assert dict(plan.kept)["train-a"] == "invert-a needs it (its generator)"
    assert dict(plan.kept)["invert-a"] == "pag-a needs it (its store)"
    remove(plan_removal(root, ["pag-a"]))
    assert sorted(plan_removal(root, ["pipeline-a"]).names) == ["invert-a", "pipeline-a", "train-a"]


def test_a_trial_that_two_studies_share_stays_for_the_other(root):
    for name in ("study-a", "study-b"):
        add_run(root, name, job="study", trials=["trial-both", f"trial-{name}"])
    for name in ("trial-both", "trial-study-a", "trial-study-b"):
        add_run(root, name)
    remove(plan_removal(root, ["study-a"]))
    assert {"trial-both", "trial-study-b", "study-b"} <= set(left(root))
    assert "trial-study-a" not in left(root)


def test_a_running_run_is_refused_and_named(root):
    with claimed(root / "runs" / "pag-a"), pytest.raises(InUse, match="pag-a is being made by process"):
        remove(plan_removal(root, ["pag-a"]))
    assert is_whole(root, "pag-a")
    assert not is_marked(root / "runs" / "pag-a")


def test_a_run_that_begins_to_need_it_meanwhile_is_seen(root):
    plan = plan_removal(root, ["pag-a"])
    add_run(root, "pag-b", inputs={"store": "pag-a/store"}, finished=False)
    stayed = remove(plan)
    assert [why for _, why in stayed] == ["pag-b needs it (its store)"]
    assert is_whole(root, "pag-a")
    assert not is_marked(root / "runs" / "pag-a")


def test_a_run_that_comes_later_sees_the_mark(root):
    generator = root / "runs" / "train-a" / "generator"
    require_kept(generator, "generator")
    mark(generator.parent)
    with pytest.raises(PreimageError, match="generator is in .*train-a, which `preimage runs` removes"):
        require_kept(generator, "generator")


def test_what_cannot_be_read_needs_what_its_files_name(root):
    add_run(root, "odd-a", spec="generator: /elsewhere/runs/train-a/generator\n")
    (root / "runs" / "odd-a").write_json("run.json", {"format": 99})
    with pytest.raises(PreimageError, match=r"odd-a \(it cannot be read"):
        plan_removal(root, ["train-a"])


def test_names_that_are_no_runs_are_refused(root):
    with pytest.raises(SpecError, match="did you mean train-a"):
        plan_removal(root, ["train-aa"])
    with pytest.raises(SpecError, match="lists them"):
        plan_removal(root, ["0" * 8])
    address = (root / "runs" / "pag-a").uri
    assert plan_removal(root, [address]).names == ["pag-a"]


NAMED = ["train-a", "invert-a"]


class Killed(BaseException):
    """As SIGKILL: nothing is put in order."""


@pytest.mark.parametrize("store", ["local", "s3"])
def test_killed_at_any_write_a_removed_run_is_whole_or_looks_unfinished_and_prune_ends_it(
    store, request, monkeypatch
):
    root = request.getfixturevalue("folder" if store == "local" else "s3")
    calls, moment = 0, 0

    def counting(method):
        def call(self, *arguments, **named):
            nonlocal calls
            calls += 1
            if calls == moment:
                raise Killed
            return method(self, *arguments, **named)

        return call

    for name in ("remove", "delete", "write", "vacate"):
        monkeypatch.setattr(Folder, name, counting(getattr(Folder, name)))
    ended, killed_at = False, 0
    while not ended:
        calls, moment = 0, 0
        add_run(root, "train-a", products=["generator"])
        add_run(root, "invert-a", job="invert", inputs={"generator": "train-a/generator"})
        plan = plan_removal(root, NAMED)
        killed_at += 1 if store == "local" else 6
        calls, moment = 0, killed_at
        try:
            remove(plan)
            ended = True
        except Killed:
            pass
        calls, moment = 0, 0
        for name in NAMED:
            run = RunFolder(root / "runs" / name)
            if run.outcome():
                assert run.about_or_none(), killed_at
            if name == "train-a" and run.folder.exists("run.json"):
                assert run.folder.exists("generator/config.json"), killed_at
        prune(plan_prune(root, [], older_than=1e9))
        rest = [name for name in NAMED if name in Needs(root).found]
        if rest:  # those that the removal had not come to are as before
            assert all(is_whole(root, name) for name in rest)
            assert not any(is_marked(root / "runs" / name) for name in rest)
            remove(plan_removal(root, rest))
        assert (root / "runs").names() == []
    assert killed_at > 10


NAMES = [f"run-{number}" for number in range(5)]
PRODUCTS = ("generator", "store", "checkpoints")


@st.composite
def graphs(draw):
    """Runs in the order in which they were made, each with inputs of earlier ones, some with parts."""
    made = []
    for place in range(draw(st.integers(1, len(NAMES)))):
        earlier = NAMES[:place]
        one, few = st.sampled_from(earlier or [""]), min(2, place)
        inputs = draw(st.lists(st.tuples(one, st.sampled_from(PRODUCTS)), max_size=few))
        steps = draw(st.lists(one, max_size=few, unique=True))
        made.append((inputs, steps, draw(st.sampled_from(["pipeline", "study"])), draw(st.booleans())))
    return made


@settings(max_examples=25)
@given(graphs(), st.data())
def test_after_any_removals_and_prunings_all_that_is_left_has_what_it_needs(tmp_path_factory, graph, data):
    place = tmp_path_factory.mktemp("graph")
    root = Folder.at(place)
    try:
        _check(root, graph, data)
    finally:
        shutil.rmtree(place)


def _check(root, graph, data):
    needed = {}
    for name, (inputs, steps, kind, finished) in zip(NAMES, graph, strict=False):
        used = {f"input{number}": f"{run}/{product}" for number, (run, product) in enumerate(inputs)}
        parts = {"trials" if kind == "study" else "steps": steps}
        job = kind if steps else "train-gan"
        add_run(root, name, job=job, inputs=used, products=PRODUCTS, finished=finished, **parts)
        counted = steps if finished or kind == "study" else []
        needed[name] = [*used.values(), *(f"{each}/generator" for each in counted)]
    for _ in range(data.draw(st.integers(1, 3))):
        found = sorted(Needs(root).found)
        if not found:
            return
        if data.draw(st.booleans()):
            prune(plan_prune(root, older_than=0))
        else:
            names = data.draw(st.lists(st.sampled_from(found), min_size=1, max_size=2, unique=True))
            try:
                remove(plan_removal(root, names, with_dependents=data.draw(st.booleans())))
                assert not set(names) & set(Needs(root).found)
            except PreimageError as error:
                assert "needed by" in str(error)
                assert sorted(Needs(root).found) == found, "a refusal removes nothing"
        for name in Needs(root).found:
            for address in needed[name]:
                run, product = address.split("/")
                assert (root / "runs" / run / product).exists(MARKERS[product]), (name, address)


def test_in_a_shell(root, monkeypatch, capsys):
    shell = Shell(monkeypatch, capsys)
    at = ("--results", root.path)
    assert "needed by invert-a" in shell("runs", "rm", "train-a", *at).err
    said = shell("runs", "rm", "pag-a", *at)
    assert (said.code, "give --yes or --dry-run" in said.err) == (2, True)
    said = shell("runs", "rm", "pag-a", "--dry-run", "--json", *at)
    assert [each["kind"] for each in json.loads(said.out)["would_remove"]] == ["run"]
    assert is_whole(root, "pag-a")
    said = shell("runs", "rm", "pag-a", "--yes", *at)
    assert (said.code, "removed 1 run," in said.out) == (0, True)
    assert not (root / "runs" / "pag-a").exists()
