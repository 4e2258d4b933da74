"""Inversion of a dataset on Ray Data over the engine alone."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch

from preimage.cluster.connect import connect
from preimage.config import Resources
from preimage.data.config import DataConfig
from preimage.data.dataset import Dataset
from preimage.data.pixels import to_float
from preimage.data.preparing.prepare import prepare
from preimage.inversion.config import InversionConfig
from preimage.inversion.dataset import InversionTask, Inverter, PartDone, dataset_info
from preimage.inversion.engine import Engine
from preimage.latents.priors import make_prior
from preimage.latents.schema import About, GeneratorInfo
from preimage.latents.store import StoreWriter
from preimage.models.config import DcganConfig
from preimage.models.dcgan import Generator, build_pair
from preimage.models.generator_folder import load_generator, write_generator
from preimage.storage.folder import Folder
from preimage.work.on_ray import spread

from .bare import Bare, bare_process
from .measure import Measurement, measured

MODEL = DcganConfig(latent_dim=100, prior="normal", image_size=64, channels=3, base_channels=64)
SEED = 1


def ray_over_engine(quick: bool) -> list[Measurement]:
    """One actor of one thread on Ray Data, reading images and writing a store, over the engine alone."""
    parts, rows, steps = (4 if quick else 9), 64, 12
    with tempfile.TemporaryDirectory() as name:
        task = _task(
            Folder.at(name),
            parts,
            rows,
            InversionConfig(solver="adam", init_codes="small-normal", steps=steps, patience=None),
        )
        with bare_process(partial(engine_alone, task)) as address:
            connect()
            begin = time.perf_counter()
            pieces = spread(InTurn(task, address), list(range(parts)), Resources(gpu=False))
            done = [each for _, each in pieces]
            whole = time.perf_counter() - begin
        task.writer.finish()
    bare = [part["bare"] for part in done]
    ratios = [  # the first part, for which generator and dataset are opened, is start-up
        one["bare"] / (after["begin"] - one["begin"] - one["asked"]) for one, after in pairwise(done[1:])
    ]
    in_all = sum(bare) / (whole - sum(part["asked"] for part in done))
    work = f"{sum(bare):.0f} s of work"
    return [
        measured("invert.ray_over_engine", ratios, "x", 0.9, "start-up of the pipeline left out"),
        Measurement(
            "invert.ray_over_engine.start_included", in_all, "x", in_all, in_all, note=f"over {work}"
        ),
    ]


class InTurn:
    """Makes a part as the pipeline does, then asks the bare process for the same one."""

    def __init__(self, task: InversionTask, address: str) -> None:
        self.inverter, self.bare = Inverter(task), Bare(address)

    def __call__(self, part: int, device: torch.device) -> dict[str, Any]:
        begin = time.perf_counter()
        done: PartDone = self.inverter(part, device)
        asked = time.perf_counter()
        bare = self.bare(part)
        return {**done, "begin": begin, "asked": time.perf_counter() - asked, "bare": bare}


def engine_alone(task: InversionTask) -> Callable[[int], object]:
    """The engine on images that are in memory: no dataset to read, no store to write."""
    generator, card = load_generator(task.generator)
    prior = make_prior(card.generator.prior, card.generator.latent_dim)
    engine = Engine(generator, task.config, prior, seed=task.seed)
    images = Dataset.open(task.dataset).read(0, task.writer.plan.count)
    target = to_float(images.pixels)

    def work(part: int) -> object:
        rows = slice(part * task.rows, (part + 1) * task.rows)
        return engine.invert(target[rows], ids=images.image_id[rows])

    return work


def _task(folder: Folder, parts: int, rows: int, config: InversionConfig) -> InversionTask:
    card = write_generator(untrained_generator(), folder / "generator", {})
    data = DataConfig(source="digits", size=64, channels=3, max_images=parts * rows)
    dataset = prepare(data, folder / "datasets", backend="local")
    about = About(
        generator=GeneratorInfo(fingerprint=card.fingerprint),
        dataset=dataset_info(dataset),
        latent_dim=MODEL.latent_dim,
        prior=MODEL.prior,
    )
    writer = StoreWriter(folder / "store", about, parts, dataset.count)
    return InversionTask(folder / "generator", dataset.folder, writer, config, SEED, rows)


def untrained_generator() -> Generator:
    """Untrained, but with the batch statistics of its own activations, so that eval mode makes images."""
    generator, _ = build_pair(MODEL, SEED)
    random = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for _ in range(20):
            generator(torch.randn(16, MODEL.latent_dim, generator=random))
    return generator.eval()
