"""Work for real processes that form a process group: they must find it by its module's name."""

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import start_processes
from torch.nn.parallel import DistributedDataParallel

from preimage.models.classifier import ClassifierConfig
from preimage.models.pgan import PganConfig
from preimage.storage import Folder
from preimage.training.autoencoder import AutoencoderLearner
from preimage.training.batchnorm import synchronise
from preimage.training.classifier import ClassifierLearner
from preimage.training.config import OptimizerConfig
from preimage.training.dfm import DenoiserConfig, DfmLearner
from preimage.training.gan import GanLearner
from preimage.training.glo import CodesConfig, GloLearner
from preimage.training.learner import Setting
from preimage.training.loop import train
from preimage.training.pgan import PganLearner
from preimage.training.worker import Worker
from tiny import GLO_MODEL, MODEL

CLASSIFIER = ClassifierConfig(image_size=16, channels=1, classes=10, width=4)
SGD = OptimizerConfig(name="sgd", lr=0.1)
SLOW = OptimizerConfig(name="sgd", lr=1e-3)  # a GAN is chaotic: rounding grows with every step


def glo(setting: Setting) -> GloLearner:
    return GloLearner(setting, GLO_MODEL, "l2", CodesConfig(), SGD)


def calm_glo(setting: Setting) -> GloLearner:
    """One whose rounding grows little in hundreds of steps."""
    return GloLearner(setting, GLO_MODEL, "l2", CodesConfig(), OptimizerConfig(name="sgd", lr=0.01))


def gan(setting: Setting) -> GanLearner:
    return GanLearner(setting, MODEL, SLOW)


def dfm(setting: Setting) -> DfmLearner:
    return DfmLearner(setting, MODEL, SLOW, DenoiserConfig(depth=2, pool=2))


def plain_dfm(setting: Setting) -> DfmLearner:
    return DfmLearner(setting, MODEL, SLOW, None)


def autoencoder(setting: Setting) -> AutoencoderLearner:
    return AutoencoderLearner(setting, MODEL.model_copy(update={"prior": "gaussian"}), SGD)


def classifier(setting: Setting, flip: bool = False) -> ClassifierLearner:
    return ClassifierLearner(setting, CLASSIFIER, OptimizerConfig(name="adam", lr=4e-3, beta1=0.9), flip)


def pgan(setting: Setting, images: Folder | None = None) -> PganLearner:
    return PganLearner(setting, PganConfig(width=32), OptimizerConfig(name="rmsprop", lr=1e-3), images)


def slow_pgan(setting: Setting) -> PganLearner:
    return PganLearner(setting, PganConfig(width=32), SLOW)


METHODS = {
    "glo": (glo, "loss"),
    "gan": (gan, "generator_loss"),
    "dfm": (dfm, "denoising_error"),
    "plain-dfm": (plain_dfm, "generator_loss"),
    "autoencoder": (autoencoder, "loss"),
}


class Stop(Exception):
    pass


def stopping(learner, at, setting):
    """A learner that dies before a step, on every worker."""
    made = learner(setting)
    step = made.step

    def dying(rows, images, number):
        if number == at:
            raise Stop
        return step(rows, images, number)

    made.step = dying
    return made


def disturbed(folder: Path, setting: Setting) -> GloLearner:
    """GLO that writes down its steps in `steps`, each with the number of workers, and does not hurry while
    the file `slow` is there. Where `stuck` is there, the last worker takes it away and never steps on."""
    made = calm_glo(setting)
    step, worker = made.step, setting.worker

    def taking_its_time(rows, images, number):
        if (folder / "slow").exists():
            time.sleep(0.2)
        if worker.rank and (folder / "stuck").exists():
            (folder / "stuck").unlink()
            time.sleep(1e6)
        found = step(rows, images, number)
        if worker.leads:
            with (folder / "steps").open("a") as file:
                file.write(f"{number} {worker.world_size}\n")
        return found

    made.step = taking_its_time
    return made


def train_all(worker, trainings):
    for training in trainings:
        train(worker, training)


def train_or_stop(worker, training):
    with suppress(Stop):
        train(worker, training)


def many(workers, work, *arguments):
    """Run work(worker, *arguments) in so many processes that form a process group."""
    start_processes(_enter, (workers, work, arguments, os.getpid()), nprocs=workers, start_method="spawn")


def _enter(rank, workers, work, arguments, parent):
    torch.set_num_threads(1)
    rendezvous = Path(tempfile.gettempdir()) / f"preimage-two-workers-{parent}"
    dist.init_process_group("gloo", f"file://{rendezvous}", rank=rank, world_size=workers)
    try:
        work(Worker.of_process_group(), *arguments)
        dist.barrier()
    finally:
        dist.destroy_process_group()
        rendezvous.unlink(missing_ok=True)


def norm_network() -> nn.Module:
    layers = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Tanh(), nn.Conv2d(5, 2, 1), nn.BatchNorm2d(2)
    return nn.Sequential(*layers).double()


def normalise(worker: Worker, folder: Path) -> None:
    torch.manual_seed(0)
    network = norm_network()
    images = torch.randn(13, 3, 4, 4, dtype=torch.float64)
    images = worker.part(images).clone().requires_grad_()
    synchronise(network, worker.share(13))
    parallel = DistributedDataParallel(network, broadcast_buffers=False)
    made = parallel(images)
    (made.pow(3).mean() * worker.weight(13)).backward()
    found = {
        "made": made.detach(),
        "slope": images.grad,
        "state": network.state_dict(),
        "gradients": [parameter.grad for parameter in network.parameters()],
    }
    torch.save(found, folder / f"{worker.rank}.pt")
