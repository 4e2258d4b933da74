"""Every measurement, as a table and as build/bench.json: python -m benchmarks [--only NAME ...] [--quick]."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console

from . import (
    browse,
    browse_decode,
    cluster,
    commands,
    data,
    data_sources,
    data_tar,
    dfm,
    durability,
    evaluate,
    few_images,
    fixed,
    foreign,
    gan,
    glo,
    invert,
    plugins,
    scale,
    search,
    store,
    store_requests,
    train,
)  # fmt: skip
from .measure import Failed, Measurement, Row, Skipped
from .results import Results, where

Measured = Measurement | Sequence[Measurement | Skipped] | str
"""Figures, or why there are none."""

BENCHMARKS: dict[str, Callable[[bool], Measured]] = {
    "store.write_over_pyarrow": store.write_over_pyarrow,
    "store.read_over_pyarrow": store.read_over_pyarrow,
    "store.loader_over_pyarrow": store.loader_over_pyarrow,
    "store.requests": store_requests.requests,
    "durable.checkpoint": durability.checkpoint,
    "durable.run": durability.run,
    "data.prepare": data.cifar10,
    "data.tar": data_tar.tar_over_webdataset,
    "data.prepare_by_source": data_sources.prepare_by_source,
    "data.parquet_over_datasets": data_sources.parquet_over_datasets,
    "data.plan_seconds": data_sources.plan_seconds,
    "data.permutation_ns": data_sources.permutation_ns,
    "data.driver_memory": data_sources.driver_memory,
    "invert.engine_over_naive": search.engine_over_naive,
    "invert.lowprecision_over_naive": search.lowprecision_over_naive,
    "invert.one_image_over_loop": few_images.one_image_over_loop,
    "invert.sixteen_over_loop": few_images.sixteen_over_loop,
    "invert.evaluations_ratio": search.evaluations_ratio,
    "invert.evaluations_95": search.evaluations_95,
    "invert.dataset_seconds_ratio": search.dataset_seconds_ratio,
    "invert.ray_over_engine": invert.ray_over_engine,
    "invert.foreign_over_loop": foreign.over_loop,
    "generator.import": foreign.import_seconds,
    "evaluate.features_over_plain": evaluate.features_over_plain,
    "train.ray_over_bare": train.ray_over_bare,
    "train.two_workers": train.two_workers,
    "train.gan_over_plain": gan.over_plain,
    "glo.step_200k_over_2k": glo.step_200k_over_2k,
    "glo.over_plain": glo.over_plain,
    "glo.bf16_over_float32": glo.bf16_over_float32,
    "glo.compiled_over_eager": glo.compiled_over_eager,
    "dfm.step_over_dcgan": dfm.step_over_dcgan,
    "cli.help": fixed.cli_help,
    "cli.plan": commands.plan,
    "cli.rerun_finished": commands.rerun_finished,
    "cli.tiny_job": commands.tiny_job,
    "import.preimage": fixed.import_preimage,
    "plugins": plugins.ten_plugins,
    "study.trial_start": fixed.trial_start,
    "start": fixed.starts,
    "cluster.glo": cluster.glo,
    "cluster.invert": cluster.invert,
    "browse.open_million": browse.open_million,
    "browse.decode": browse_decode.decode,
    "scale": scale.units,
}
RESULTS = Path("build/bench.json")

STOPPED = 130
"""The exit status after Ctrl-C, as a shell's."""


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    if options.cifar10:
        os.environ[data.ZIP] = options.cifar10
    console = Console(width=max(130, Console().width))
    console.print(f"{where()}; load {_load()} before", highlight=False)
    results = Results(RESULTS, options.quick)
    stopped = False
    try:
        for name in options.only or BENCHMARKS:
            with console.status(name):
                results.add(*_rows(name, options.quick))
    except KeyboardInterrupt:  # what was measured until then is shown
        stopped = True
    console.print(results.table())
    for row in results.rows:
        if text := row.note if isinstance(row, Measurement) else row.reason:
            console.print(f"{row.name}: {text}", highlight=False, markup=False)
    console.print(f"load {_load()} after, of which up to 2 is the benchmarks' own")
    sys.exit(STOPPED if stopped else results.failed)


def _rows(name: str, quick: bool) -> Sequence[Row]:
    """A benchmark's rows. One that fails hides none of the others."""
    try:
        found = BENCHMARKS[name](quick)
    except Exception as error:
        traceback.print_exc()
        return [Failed(name, f"{type(error).__name__}: {error}")]
    if isinstance(found, str):
        return [Skipped(name, found)]
    return [found] if isinstance(found, Measurement) else found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help=f"some of: {', '.join(BENCHMARKS)}; or groups"
    )
    parser.add_argument("--quick", action="store_true", help="less of everything: does it run?")
    parser.add_argument("--cifar10", metavar="ZIP", help=f"its images in a .zip, or set {data.ZIP}")
    options = parser.parse_args()
    if options.only:
        chosen = {
            each: [name for name in BENCHMARKS if f"{name}.".startswith(f"{each}.")] for each in options.only
        }
        if missing := [each for each, names in chosen.items() if not names]:
            parser.error(
                f"no measurement is called {' or '.join(missing)}; there are {', '.join(BENCHMARKS)}"
            )
        wanted = {name for names in chosen.values() for name in names}
        options.only = [name for name in BENCHMARKS if name in wanted]
    return options


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
