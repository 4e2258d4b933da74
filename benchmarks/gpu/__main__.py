"""All that is worth knowing of a GPU, in under 8 minutes: one table, and build/gpu.json.

    python -m benchmarks.gpu                          from the root of a copy of the repository
    python -m benchmarks.gpu --budget 300 --only train.gan invert
    python -m benchmarks.gpu --device cpu --tiny      does it run? No GPU needed

It needs Python 3.11 to 3.13, torch 2.11 or later built for CUDA, numpy, pydantic 2.12 or later, and no
network. Ray, MLflow, Optuna, matplotlib, scikit-learn, pyarrow, safetensors, Pillow and psutil may be
missing; the row `inception` needs torch-fidelity and safetensors, and is skipped without them. Where pydantic
is missing, bring it as wheels for that machine's Python (3.12 here), made on one with a network:

    pip download --only-binary=:all: --python-version 3.12 --platform manylinux2014_x86_64 \\
        --dest wheels 'pydantic>=2.12' numpy
    pip install --no-index --find-links wheels --target packages pydantic numpy          on the GPU's machine
    PYTHONPATH=packages python -m benchmarks.gpu

Each row is measured in its own try and within its share of the time, the important ones first; the file is
written after every row, so that it is whole whenever the run is ended.
"""

import argparse
import faulthandler
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # torch's profiler tells of every start and stop

import torch

from .stand_ins import stand_ins

ROOT = Path(__file__).parents[2]
if find_spec("preimage") is None:
    sys.path.insert(0, str(ROOT / "platform"))

with stand_ins() as MISSING:
    from preimage.work.reproducible import prepare_process

    from . import captured, inception, inversion, machine, profiled, train
    from .rows import Report, Row
    from .setting import Setting

GRACE = 60.0
"""Seconds beyond the budget after which a row that hangs is ended, and the run with it."""
STOPPED = 130
"""The exit status after Ctrl-C, as a shell's."""


def main() -> int:
    options = _options()
    device = torch.device(options.device)
    setting = Setting(device, options.tiny)
    _require_named(options.only, [row.name for row in _rows(setting, {})])
    about = machine.about(setting, MISSING)
    prepare_process(1)
    faulthandler.dump_traceback_later(options.budget + GRACE, exit=True)
    report = Report(options.json, about, device, options.budget)
    report.write()
    peaks: dict[str, float] = {}
    stopped = False
    try:
        for row in _rows(setting, peaks):
            if options.only and not any(_is_of(row.name, each) for each in options.only):
                continue
            print(f"{row.name} ...", end=" ", flush=True)
            found = report.measure(row)
            print(found.get("value", found.get("skipped", found.get("failed"))), flush=True)
            if row.name.startswith("matmul.") and "value" in found:
                peaks[row.name.removeprefix("matmul.")] = found["value"]
    except KeyboardInterrupt:  # what was measured until then is shown
        stopped = True
    faulthandler.cancel_dump_traceback_later()
    print(f"\n{report.title}\n\n{report.table()}\n\n{options.json}")
    return STOPPED if stopped else int(any("failed" in row for row in report.rows.values()))


def _is_of(name: str, group: str) -> bool:
    """Whether a row is the one, or of the group, that the words after --only name."""
    return f"{name}.".startswith(f"{group}.")


def _require_named(only: list[str] | None, names: list[str]) -> None:
    """Exit, before anything is measured, if there is no row of a name."""
    missing = [each for each in only or [] if not any(_is_of(name, each) for name in names)]
    if missing:
        sys.exit(f"error: no row is called {' or '.join(missing)}; there are {', '.join(names)}")


def _rows(setting: Setting, peaks: dict[str, float]) -> Iterator[Row]:
    """The important ones first. What is captured comes late: an error there may spoil all that follows."""
    return chain(
        machine.rows(setting),
        inversion.recovery_rows(setting),
        train.rows(setting, peaks, train.DEFAULT),
        train.plain_rows(setting),
        inversion.rows(setting, peaks),
        train.rows(setting, peaks, train.VARIANTS),
        profiled.rows(setting),
        inception.rows(setting, peaks),
        captured.rows(setting),
        train.rows(setting, peaks, train.CAPTURED),
        profiled.captured_rows(setting),
        train.rows(setting, peaks, train.OTHERS),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--budget", type=float, default=440, metavar="SECONDS", help="by default 440")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows, or groups: train, train.gan, invert")
    parser.add_argument("--device", default="cuda", help="by default cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--json", type=Path, default=Path("build/gpu.json"), metavar="FILE")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error(
            "this process sees no CUDA GPU (torch.cuda.is_available() is false): run it where there is one, "
            "or with --device cpu --tiny to see that everything runs"
        )
    return options


if __name__ == "__main__":
    sys.exit(main())
