"""Work for real processes that form a process group: they must find it by its module's name."""

import multiprocessing
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from preimage.models.cards import ClassifierConfig
from preimage.models.config import PganConfig
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.autoencoder import AutoencoderAlgorithm
from preimage.training.batchnorm import synchronise
from preimage.training.classifier import ClassifierAlgorithm
from preimage.training.config import CodesConfig, DenoiserConfig, OptimizerConfig
from preimage.training.dfm import DfmAlgorithm
from preimage.training.gan import GanAlgorithm
from preimage.training.glo import GloAlgorithm
from preimage.training.loop import train
from preimage.training.pgan import PganAlgorithm
from preimage.training.worker import Worker
from tiny import CONDITIONAL, GLO_MODEL, LOOP, MODEL

CLASSIFIER = ClassifierConfig(image_size=16, channels=1, classes=10, base_channels=4)
SGD = OptimizerConfig(name="sgd", lr=0.1)
SLOW = OptimizerConfig(name="sgd", lr=1e-3)  # a GAN is chaotic: rounding grows with every step


def glo(context: AlgorithmContext) -> GloAlgorithm:
    return GloAlgorithm(context, GLO_MODEL, "l2", CodesConfig(), SGD)


def calm_glo(context: AlgorithmContext) -> GloAlgorithm:
    """One whose rounding grows little in hundreds of steps."""
    return GloAlgorithm(context, GLO_MODEL, "l2", CodesConfig(), OptimizerConfig(name="sgd", lr=0.01))


def gan(context: AlgorithmContext) -> GanAlgorithm:
    return GanAlgorithm(context, MODEL, SLOW)


def conditional_gan(context: AlgorithmContext) -> GanAlgorithm:
    return GanAlgorithm(context, CONDITIONAL, SLOW)


def dfm(context: AlgorithmContext) -> DfmAlgorithm:
    return DfmAlgorithm(context, MODEL, SLOW, DenoiserConfig(depth=2), 2)


def plain_dfm(context: AlgorithmContext) -> DfmAlgorithm:
    return DfmAlgorithm(context, MODEL, SLOW, None)


def autoencoder(context: AlgorithmContext) -> AutoencoderAlgorithm:
    return AutoencoderAlgorithm(context, MODEL.model_copy(update={"prior": "gaussian"}), SGD)


def classifier(context: AlgorithmContext, flip: bool = False) -> ClassifierAlgorithm:
    return ClassifierAlgorithm(context, CLASSIFIER, OptimizerConfig(name="adam", lr=4e-3, beta1=0.9), flip)


def pgan(context: AlgorithmContext, images: Folder | None = None) -> PganAlgorithm:
    return PganAlgorithm(context, PganConfig(width=32), OptimizerConfig(name="rmsprop", lr=1e-3), images)


def slow_pgan(context: AlgorithmContext) -> PganAlgorithm:
    return PganAlgorithm(context, PganConfig(width=32), SLOW)


METHODS = {
    "glo": (glo, "loss"),
    "gan": (gan, "generator_loss"),
    "conditional-gan": (conditional_gan, "generator_loss"),
    "dfm": (dfm, "denoising_error"),
    "plain-dfm": (plain_dfm, "generator_loss"),
    "autoencoder": (autoencoder, "loss"),
}


class Stop(Exception):
    pass


def stopping(algorithm, at, context):
    """An algorithm that dies before a step, on every worker."""
    made = algorithm(context)
    step = made.step

    def dying(rows, images, number):
        if number == at:
            raise Stop
        return step(rows, images, number)

    made.step = dying
    return made


def disturbed(folder: Path, context: AlgorithmContext) -> GloAlgorithm:
    """GLO that writes down its steps in `steps`, each with the number of workers, and does not hurry while
    the file `slow` is there. Where `stuck` is there, the last worker takes it away and never steps on."""
    made = calm_glo(context)
    step, worker = made.step, context.worker

    def taking_its_time(rows, images, number):
        if (folder / "slow").exists():
            time.sleep(0.2)
        if worker.rank and (folder / "stuck").exists():
            (folder / "stuck").unlink()
            time.sleep(1e6)
        found = step(rows, images, number)
        if worker.is_main:
            with (folder / "steps").open("a") as file:
                file.write(f"{number} {worker.world_size}\n")
        return found

    made.step = taking_its_time
    return made


def train_all(worker, trainings, local):
    """local: exchange as on one machine, or by torch alone, as between machines."""
    assert worker.local or not hasattr(os, "memfd_create")
    worker = worker if local else replace(worker, local=None)
    for training in trainings:
        train(worker, training)


def compile_all(worker, folder):
    """A compiled step, exchanged as on one machine and by torch alone."""
    for local in (worker.local, None):
        loop = LOOP.model_copy(update={"batch_size": 9, "compile": True})
        made = gan(AlgorithmContext(replace(worker, local=local), None, loop, 1))
        images = torch.rand(9, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        for number in range(2):
            made.step(torch.arange(9), worker.part(images), number)
        name = f"{'local' if local else 'torch'}-{worker.rank}.pt"
        torch.save(made.generator.state_dict(), folder / name)


def train_or_stop(worker, training):
    with suppress(Stop):
        train(worker, training)


def many(workers, work, *arguments):
    """Run work(worker, *arguments) in so many processes that form a process group."""
    multiprocessing.set_forkserver_preload([__name__, "torch._dynamo"])  # imported once, not by each process
    arguments = (workers, work, arguments, os.getpid())
    start_processes(_enter, arguments, nprocs=workers, start_method="forkserver")


def _enter(rank, workers, work, arguments, parent):
    torch.set_num_threads(1)
    rendezvous = Path(tempfile.gettempdir()) / f"preimage-two-workers-{parent}"
    dist.init_process_group("gloo", f"file://{rendezvous}", rank=rank, world_size=workers)
    try:
        work(Worker.of_process_group(torch.device("cpu")), *arguments)
        dist.barrier()
    finally:
        dist.destroy_process_group()
        rendezvous.unlink(missing_ok=True)


def norm_network() -> nn.Module:
    layers = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Tanh(), nn.Conv2d(5, 2, 1), nn.BatchNorm2d(2)
    return nn.Sequential(*layers).double()


def normalise(worker: Worker, folder: Path) -> None:
    for local in (worker.local, None):
        _normalise(replace(worker, local=local), folder / ("local" if local else "torch"))


def _normalise(worker: Worker, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    network = norm_network()
    images = torch.randn(13, 3, 4, 4, dtype=torch.float64)
    images = worker.part(images).clone().requires_grad_()
    synchronise(network, worker.share(13), worker.sum)
    parallel = network if worker.local else DistributedDataParallel(network, broadcast_buffers=False)
    made = parallel(images)
    (made.pow(3).mean() * worker.weight(13)).backward()
    worker.average_gradients(network.parameters())
    found = {
        "made": made.detach(),
        "slope": images.grad,
        "state": network.state_dict(),
        "gradients": [parameter.grad for parameter in network.parameters()],
    }
    torch.save(found, folder / f"{worker.rank}.pt")
