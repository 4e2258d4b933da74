"""The benchmark for GPUs, as far as it runs on a CPU: all of it but the captured step."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import inversion, machine, timing
from benchmarks.gpu.flops import flops_of, sustained
from benchmarks.gpu.rows import Measured, Report, Row, Unmeasured
from benchmarks.gpu.rows import time as clock
from benchmarks.gpu.setting import Setting
from torch import nn

from preimage.inversion.loop import LOOK_EVERY, Loop

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
MISSING = {
    *("ray", "mlflow", "optuna", "matplotlib", "sklearn", "torch_fidelity", "pyarrow", "safetensors", "PIL"),
    *("psutil", "rich", "scipy", "torchvision", "yaml", "typer", "pandas"),
}
WITHOUT = """
import runpy, sys
from importlib.machinery import PathFinder

class Hidden:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.split(".")[0] in {missing} else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Hidden
sys.argv[1:] = {words}
runpy.run_module("benchmarks.gpu", run_name="__main__", alter_sys=True)
"""


def test_it_runs_where_only_torch_numpy_and_pydantic_are_installed(tmp_path):
    """From the repository's root, which alone says where preimage is."""
    only = "matmul.float32 train.dfm.16px_w4.default invert.adam.mixed profile.glo inception captured"
    words = f"--device cpu --tiny --json {tmp_path / 'gpu.json'} --only {only}".split()
    code = WITHOUT.format(missing=MISSING, words=words)
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["about"]["stand_ins"] == ["pyarrow", "safetensors", "PIL", "matplotlib", "psutil"]
    rows = found["rows"]
    assert {name for name, row in rows.items() if "value" not in row} == {
        "inception",
        "captured.apart.16px_w4",
    }
    assert "safetensors" in rows["inception"]["skipped"]
    assert rows["train.dfm.16px_w4.default"]["gflop"] > 0
    assert rows["profile.glo.16px_w4"]["operators"] > 50
    assert rows["invert.adam.mixed.batch_4"]["image_steps"] == 16
    for name in rows:
        assert f"\n{name} " in ran.stdout  # the table


def test_a_name_of_no_row_is_refused_before_anything_is_measured(tmp_path, monkeypatch):
    file = tmp_path / "gpu.json"
    words = f"gpu --device cpu --tiny --json {file} --only matmul train.gna".split()
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match=r"no row is called train\.gna; there are matmul\.float32"):
        command.main()
    assert not file.exists()


@pytest.fixture
def report(tmp_path):
    return Report(tmp_path / "gpu.json", {"date": "today"}, CPU, budget=60)


def written(report):
    return json.loads(report.path.read_text())["rows"]


def test_what_fails_or_cannot_be_measured_says_why_and_the_next_row_is_measured(report):
    def fails(_):
        raise ZeroDivisionError("by nothing")

    def cannot(_):
        raise Unmeasured("no such unit")

    report.measure(Row("one", fails))
    report.measure(Row("two", cannot))
    report.measure(Row("three", lambda _: __import__("no_such_package")))
    report.measure(Row("four", lambda _: Measured(2.0, "x", note="fine", more={"twice": 4.0})))
    rows = written(report)
    assert rows["one"]["failed"] == "ZeroDivisionError: by nothing"
    assert "in fails" in rows["one"]["where"]
    assert rows["two"]["skipped"] == "no such unit"
    assert "no_such_package" in rows["three"]["skipped"]
    assert (rows["four"]["value"], rows["four"]["twice"]) == (2.0, 4.0)
    assert [line.split()[0] for line in report.table().splitlines()] == [
        "measurement", "one", "two", "three", "four"
    ]  # fmt: skip


def test_a_row_gets_no_more_seconds_than_are_left_and_none_begins_without(report, monkeypatch):
    given, now = [], [report.begin + 40]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    work = Row("late", lambda seconds: given.append(seconds) or Measured(1, "x"), seconds=50)
    report.measure(work)
    assert given == [pytest.approx(20)]
    now[0] += 19
    assert "no time left" in report.measure(Row("last", work.work))["skipped"]
    assert len(given) == 1


def test_seconds_are_of_one_unit_whatever_a_segment_holds(monkeypatch):
    now, asked = [0.0], []

    def work(units):
        asked.append(units)
        now[0] += 0.002 * units * (1 if len(asked) < 5 else 2)

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    found = timing.timed(work, CPU, budget=1, segment=0.01, most=3, warm_up=2)
    assert asked == [2, 1, 5, 5, 5]
    assert (found.repetitions, found.low) == (3, pytest.approx(0.002))
    assert (found.median, found.high) == (pytest.approx(0.002), pytest.approx(0.003))
    asked.clear()
    assert timing.timed(work, CPU, budget=0.015, segment=0.01, most=9).repetitions == 2


def test_flops_are_those_of_the_layers_forward_and_backward():
    network, x = nn.Linear(4, 5, bias=False), torch.randn(3, 4)
    forward = 2 * 3 * 4 * 5
    assert flops_of(lambda: network(x)) == forward
    assert flops_of(lambda: network(x).sum().backward()) == 2 * forward  # no gradient of x
    images = torch.randn(2, 3, 8, 8, requires_grad=True)
    convolution = nn.Conv2d(3, 6, 4, 2, 1, bias=False)
    each = 2 * 2 * 6 * 4 * 4 * 3 * 4 * 4
    assert flops_of(lambda: torch.autograd.grad(convolution(images).sum(), images)) == 2 * each
    assert sustained(2 * 10**12, 0.5, "tf32", {"tf32": 8.0}) == {
        "gflop": 2000.0, "tflops": 4.0, "percent_of_matmul": 50.0
    }  # fmt: skip


def test_recovery_in_tf32_reaches_every_scope_and_restores_it(monkeypatch):
    """Also those of the engine, which asks for IEEE."""
    seen, own = set(), inversion.Engine.invert

    def invert(engine, images):
        engine.problem.network.register_forward_hook(
            lambda *_: seen.add(torch.backends.cudnn.conv.fp32_precision)
        )
        return own(engine, images)

    monkeypatch.setattr(inversion.Engine, "invert", invert)
    before = torch.backends.cudnn.conv.fp32_precision
    for products in ("ieee", "tf32"):
        seen.clear()
        assert inversion.recovery(Setting(CPU, tiny=True), products).value == 100
        assert seen == {products}
        assert torch.backends.cudnn.conv.fp32_precision == before


@pytest.mark.parametrize(
    ("solver", "precision"), [("lbfgs", "float32"), ("adam", "float32"), ("adam", "mixed")]
)
def test_all_steps_that_a_gpu_takes_between_two_descents_are_counted(solver, precision, monkeypatch):
    """There the engine steps on until it looks, also through images that are done."""

    class OnGpu(inversion.Engine):
        def __init__(self, *of, **how):
            super().__init__(*of, **how)
            self.look_every = LOOK_EVERY

    made, step = [], Loop._step
    monkeypatch.setattr(inversion, "Engine", OnGpu)
    monkeypatch.setattr(Loop, "_step", lambda *of: made.append(1) or step(*of))
    tiny = Setting(CPU, tiny=True)
    generator, target = inversion._problem(tiny)
    few, many = inversion.whole_looks(Setting(CPU), 1, 2)
    counts = []
    for each in (few, many):
        made.clear()
        taken = inversion._descent(tiny, generator, solver, precision, 4, each)(target(4)).steps
        assert taken.tolist() == [each] * 4
        counts.append(len(made))
    assert counts[1] - counts[0] == many - few


@pytest.mark.parametrize(
    ("name", "float32"),
    [
        ("NVIDIA A100-SXM4-80GB", 19.5),
        ("NVIDIA A10", 31.2),
        ("NVIDIA H100 80GB HBM3", 67),
        ("NVIDIA H100 PCIe", 51),
        ("NVIDIA H200", 67),
        ("NVIDIA RTX A4000", None),
        ("Tesla T4", 8.1),
    ],
)
def test_the_vendors_peak_is_that_of_the_card(monkeypatch, name, float32):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    assert machine.vendor_peak(torch.device("cuda"), "float32") == float32
