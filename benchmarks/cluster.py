"""Throughput on two and four nodes over one: nodes of one core each, all of them on this machine."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean, median
from typing import Any

import psutil
import torch
from torch import Tensor

from preimage.cluster.connect import QUIET, connect
from preimage.config import Resources
from preimage.data.config import DataConfig
from preimage.data.preparing.prepare import prepare
from preimage.inversion.config import InversionConfig
from preimage.inversion.dataset import InversionTask, Inverter
from preimage.latents.schema import About, DatasetInfo, GeneratorInfo
from preimage.latents.store import StoreWriter
from preimage.models.config import DcganConfig
from preimage.models.generator_folder import write_generator
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import CodesConfig, LoopConfig, OptimizerConfig
from preimage.training.export import export_generator
from preimage.training.glo import GloAlgorithm
from preimage.training.on_ray import fit_on_ray
from preimage.training.training import Training
from preimage.work.on_ray import spread

from .invert import untrained_generator
from .measure import Measurement, measured

NODES = (1, 2, 4)
MODEL = DcganConfig(latent_dim=100, prior="gaussian-in-ball", image_size=64, channels=3, base_channels=64)
BATCH, SEED = 128, 1
TAKEN = "taken"


@dataclass(frozen=True)
class Ran:
    """One job on so many nodes."""

    start: float
    """Seconds from the call to the first step, or to the first part of every worker."""
    rate: float
    """Images a second from then on."""
    cpu: float
    """Processor seconds of all workers for an image: what else the machine does changes it little."""
    wire: float = 0.0
    """Bytes a step over the loopback, on which all nodes are."""


def glo(quick: bool) -> list[Measurement]:
    """Images a second of GLO on Ray Train, a worker a node, the batch of 128 shared out among them."""
    with tempfile.TemporaryDirectory() as name, _nodes(max(NODES)):
        folder, steps = Folder.at(name), 5 if quick else 14
        dataset = prepare(
            DataConfig(source="digits", size=64, channels=3), folder / "datasets", backend="local"
        )
        rounds = [
            {nodes: _train(folder / f"run-{turn}-{nodes}", dataset.folder, nodes, steps) for nodes in NODES}
            for turn in range(1 if quick else 3)
        ]
    weights = sum(each.numel() for each in untrained_generator().parameters())
    wire = [f"{median(each[nodes].wire for each in rounds) / 1e6:.1f} MB on {nodes}" for nodes in NODES[1:]]
    note = f"; a step's bytes: {', '.join(wire)}; the generator's gradient has {weights * 4 / 1e6:.1f} MB"
    return _measurements("glo", rounds, note)


def invert(quick: bool) -> list[Measurement]:
    """Images a second of a dataset's inversion, an actor a node, parts of 32 images."""
    parts, rows = 12 if quick else 24, 32
    with tempfile.TemporaryDirectory() as name, _nodes(max(NODES)):
        folder = Folder.at(name)
        write_generator(untrained_generator(), folder / "generator", {})
        data = DataConfig(source="digits", size=64, channels=3, max_images=parts * rows)
        dataset = prepare(data, folder / "datasets", backend="local")
        rounds = [
            {nodes: _invert(folder, dataset.folder, f"{turn}-{nodes}", nodes, parts, rows) for nodes in NODES}
            for turn in range(1 if quick else 3)
        ]
    return _measurements("invert", rounds, "")


class Watched(GloAlgorithm):
    """Leaves, at its last step, what a step took of the processor and sent."""

    folder: Folder
    last: int

    def step(self, rows: Tensor, images: Tensor, number: int) -> dict[str, Tensor]:
        now = [time.process_time(), float(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)]
        if number == 1:  # the first one also makes the group's connections
            self.began = now
        if number == self.last:
            taken = [(after - before) / (number - 1) for before, after in zip(self.began, now, strict=True)]
            self.folder.write_json(f"{TAKEN}-{self.worker.rank}.json", taken)
        return super().step(rows, images, number)


def _learner(folder: Folder, last: int, context: AlgorithmContext) -> Watched:
    algorithm = Watched(context, MODEL, "l2", CodesConfig(init="random"), OptimizerConfig(name="sgd", lr=1.0))
    algorithm.folder, algorithm.last = folder, last
    return algorithm


def _train(folder: Folder, dataset: Folder, nodes: int, steps: int) -> Ran:
    loop = LoopConfig(
        total_images=steps * BATCH,
        batch_size=BATCH,
        log_every=BATCH,
        sample_every=10**9,
        checkpoint_every=10**9,
    )
    run = RunFolder(folder)
    training = Training(
        run=run,
        dataset=dataset,
        loop=loop,
        build=partial(_learner, folder, steps - 1),
        identity={},
        seed=SEED,
        export=export_generator,
    )
    begin = time.time()
    fit_on_ray(training, Resources(workers=nodes, gpu=False, max_failures=0))
    times = [each["time_ms"] / 1000 for each in run.records().values()]
    taken = [folder.read_json(f"{TAKEN}-{rank}.json") for rank in range(nodes)]
    cpu, rate = sum(each[0] for each in taken) / BATCH, BATCH * (len(times) - 2) / (times[-1] - times[1])
    return Ran(times[0] - begin, rate, cpu, taken[0][1])


def _invert(folder: Folder, dataset: Folder, name: str, nodes: int, parts: int, rows: int) -> Ran:
    about = About(
        generator=GeneratorInfo(fingerprint="generator"),
        dataset=DatasetInfo(fingerprint="dataset", count=parts * rows),
        latent_dim=MODEL.latent_dim,
        prior=MODEL.prior,
    )
    config = InversionConfig(solver="adam", init_codes="small-normal", steps=12, patience=None)
    writer = StoreWriter(folder / f"store-{name}", about, parts, parts * rows)
    task = InversionTask(folder / "generator", dataset, writer, config, SEED, rows)
    begin = time.perf_counter()
    first: dict[int, float] = {}
    cpu, ends = [], []
    resources = Resources(workers=nodes, gpu=False)
    for _, done in spread(Timed(task), list(range(parts)), resources):
        ends.append(time.perf_counter())
        if done["pid"] in first:
            cpu.append(done["cpu"] / rows)
        first.setdefault(done["pid"], ends[-1])
    # An actor that starts late begins late: the steady state is from the last one's first part on.
    start = max(first.values())
    after = sum(end > start for end in ends)
    return Ran(start - begin, rows * after / (ends[-1] - start), mean(cpu))


class Timed:
    """Makes a part as the pipeline does, and says what it took of the processor."""

    def __init__(self, task: InversionTask) -> None:
        self.inverter = Inverter(task)

    def __call__(self, part: int, device: torch.device) -> dict[str, Any]:
        begin = time.process_time()
        done = self.inverter(part, device)
        return {**done, "cpu": time.process_time() - begin, "pid": os.getpid()}


def _measurements(kind: str, rounds: list[dict[int, Ran]], note: str) -> list[Measurement]:
    said = [
        f"{median(each[nodes].rate for each in rounds):.0f} images/s on {nodes}, "
        f"{median(each[nodes].start for each in rounds):.0f} s after the call, "
        f"{median(each[nodes].cpu for each in rounds) * 1000:.1f} CPU-ms an image"
        for nodes in NODES
    ]
    rates = [_over_one(f"{kind}_{nodes}_over_1", rounds, nodes, lambda ran: ran.rate) for nodes in NODES[1:]]
    costs = [
        _over_one(f"{kind}_cpu_{nodes}_over_1", rounds, nodes, lambda ran: ran.cpu) for nodes in NODES[1:]
    ]
    rates[0] = replace(rates[0], note=f"{'; '.join(said)}; {os.cpu_count()} cores in all{note}")
    return rates + costs


def _over_one(
    name: str, rounds: list[dict[int, Ran]], nodes: int, what: Callable[[Ran], float]
) -> Measurement:
    ratios = [what(each[nodes]) / what(each[1]) for each in rounds]
    return measured(
        f"cluster.{name}",
        ratios if len(ratios) > 1 else ratios * 2,
        "x",
        clock="processor" if "_cpu_" in name else "wall",
    )


@contextmanager
def _nodes(count: int) -> Iterator[None]:
    """So many Ray nodes of one core, and a head of none; this process is their driver."""
    import ray
    from ray.cluster_utils import Cluster

    ray.shutdown()
    before = dict(os.environ)
    os.environ |= QUIET
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        os.environ["RAY_ADDRESS"] = str(cluster.address)
        for _ in range(count):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        connect()
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()
        os.environ.clear()
        os.environ |= before
