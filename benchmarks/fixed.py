"""What comes once: a command's answer, the start of Ray, of a job, of workers and of a trial."""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import ray
import torch

from preimage.cluster.connect import connect
from preimage.config import Resources
from preimage.data.config import DataConfig
from preimage.data.preparing.prepare import prepare
from preimage.models.config import DcganConfig
from preimage.runs.checkpoints import save
from preimage.runs.run_folder import RunFolder
from preimage.specs.study import loads_study
from preimage.storage.folder import Folder
from preimage.training.algorithm import AlgorithmContext
from preimage.training.config import LoopConfig, OptimizerConfig
from preimage.training.export import export_generator
from preimage.training.gan import GanAlgorithm
from preimage.training.on_ray import fit_on_ray
from preimage.training.training import Training
from preimage.training.worker import Worker
from preimage.tuning.plan import plan_study
from preimage.tuning.study import run_study
from preimage.work.on_ray import spread

from .measure import Measurement, measured, seconds

MODEL = {"latent_dim": 4, "kernel_size": 4, "base_channels": 4}
DIGITS = {"source": "digits", "size": 16, "channels": 1, "max_images": 200}
_RAY = """
import time
from preimage.cluster.connect import connect
begin = time.time()
connect()
print(time.time() - begin)
"""
IMPORTS = ("torch", "ray", "mlflow", "preimage.inversion.dataset", "preimage.training.on_ray")


def cli_help(quick: bool) -> list[Measurement]:
    """`preimage --help` as a person waits for it, in a new process each time."""
    times = 3 if quick else 9
    found = [_command("--help") for _ in range(times)]
    others = {
        "jobs --help": ["jobs", "--help"],
        "plan jobs/demo.yaml": ["plan", "jobs/demo.yaml"],
    }
    said = [f"{name} {median(_command(*each) for _ in range(3)):.1f} s" for name, each in others.items()]
    return [_at_most("cli.help", found, 0.5, ", ".join(said))]


def import_preimage(quick: bool) -> Measurement:
    """`import preimage` in a new process each time, without what Python itself takes to start."""
    code = "import time; begin = time.perf_counter(); import preimage; print(time.perf_counter() - begin)"
    found = [float(_python(code)) for _ in range(3 if quick else 9)]
    return _at_most("import.preimage", found, 0.1, "a name is imported when it is first asked for")


def trial_start(quick: bool) -> list[Measurement]:
    """From the end of a trial, its record, to the first step of the one that takes its place."""
    connect()
    trials = 4 if quick else 9
    return [
        _at_most("study.trial_start", _gaps(trials, 2), 3, "two trials at a time, recorded in SQLite"),
        _at_most("study.trial_start.one_at_a_time", _gaps(trials, 1), 3, "recorded in SQLite"),
        measured("study.trial_start.two_workers", _gaps(3, 1, 2), "s", note="Ray Train begins in each trial"),
    ]


def starts(quick: bool) -> list[Measurement]:
    """The fixed costs, one by one."""
    times = 2 if quick else 4
    imports = [
        measured(f"start.import_{name}", [_import(name) for _ in range(times)], "CPU-s", clock="processor")
        for name in IMPORTS
    ]
    ray.shutdown()  # an earlier one, which would be beside it
    here = [float(_python(_RAY)) for _ in range(times)]
    connect()
    workers = [
        measured(
            f"start.train_{count}", [_first_step(count) for _ in range(times)], "s", note="to its first step"
        )
        for count in (1, 2)
    ]
    pool = [_first_answer() for _ in range(times)]
    jobs = _jobs(times + 1)
    return [
        *imports,
        measured("start.ray", here, "s", note="on this machine, without a dashboard"),
        measured("start.job", jobs[1:], "s", note=f"to its first line; {jobs[0]:.1f} s for the first"),
        *workers,
        measured("start.actors", pool, "s", note="an actor that does nothing, to its first answer"),
        *_writes(50),
    ]


def _gaps(trials: int, parallel: int, workers: int = 1) -> list[float]:
    """Seconds between a trial's end and the first step after it, over a study of so many trials."""
    with tempfile.TemporaryDirectory() as name:
        spec = {
            "results": name,
            "tracking": {"uri": "local"},
            "trial": {
                "job": "train-gan",
                "data": DIGITS,
                "model": {**MODEL, "prior": "normal"},
                "training": {"total_images": 960, "batch_size": 24, "log_every": 24},
                "resources": {"gpu": False, "workers": workers},
            },
            "space": {"optimizer.lr": {"log-uniform": [1e-5, 1e-3]}},
            "objectives": {"generator_loss": "minimize"},
            "sampler": {"name": "random"},
            "trials": trials,
            "parallel": parallel,
        }
        run_study(plan_study(loads_study(json.dumps(spec), "study.yaml", "starts", None, [])))
        ends, begins = [], []
        for record in Path(name).glob("runs/*/trials/*.json"):
            run = RunFolder(Folder.at(json.loads(record.read_text())["folder"]))
            ends.append(record.stat().st_mtime)
            begins.append(next(iter(run.records().values()))["time_ms"] / 1000)
    return [begin - end for begin, end in zip(sorted(begins)[parallel:], sorted(ends), strict=False)]


def _jobs(times: int) -> list[float]:
    """Seconds from a job's submission to a head of its own until its first line, again and again."""
    from ray.job_submission import JobSubmissionClient

    port, gcs, agent = (str(_free_port()) for _ in range(3))
    command = ["ray", "start", "--head", "--block", "--node-ip-address", "127.0.0.1", "--num-cpus", "1"]
    ports = ["--port", gcs, "--dashboard-port", port, "--dashboard-agent-listen-port", agent]
    with tempfile.TemporaryDirectory() as folder:
        whole = [*command, *ports, "--temp-dir", folder]
        head = subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            client = _until_there(lambda: JobSubmissionClient(f"http://127.0.0.1:{port}"))
            _until_there(client.list_jobs)
            return [_until_there(partial(_first_line, client)) for _ in range(times)]
        finally:
            head.terminate()
            head.wait()


def _first_line(client: Any) -> float:
    begin = time.time()
    job = client.submit_job(entrypoint='python -c "import time; print(time.time())"')
    while not client.get_job_status(job).is_terminal():
        time.sleep(0.1)
    lines = client.get_job_logs(job).splitlines()
    return next(float(line) for line in lines if line.replace(".", "").isdigit()) - begin


def _until_there(ask: Callable[[], Any], patience: float = 180) -> Any:
    """Ask a head that has just begun until it answers."""
    end = time.monotonic() + patience
    while True:
        try:
            return ask()
        except (ConnectionError, RuntimeError):
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


def _first_step(workers: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Folder.at(name)
        dataset = prepare(DataConfig.model_validate(DIGITS), folder / "datasets", backend="local")
        training = Training(
            run=RunFolder(folder / "run"),
            dataset=dataset.folder,
            loop=LoopConfig(total_images=48, batch_size=24, log_every=24),
            build=_learner,
            identity={},
            seed=1,
            export=export_generator,
        )
        begin = time.time()
        fit_on_ray(training, Resources(workers=workers, gpu=False, max_failures=0))
        return next(iter(training.run.records().values()))["time_ms"] / 1000 - begin


def _learner(context: AlgorithmContext) -> GanAlgorithm:
    model = DcganConfig.model_validate({**MODEL, "prior": "normal", "image_size": 16, "channels": 1})
    return GanAlgorithm(context, model, OptimizerConfig())


def _first_answer() -> float:
    begin = time.perf_counter()
    answers = spread(_Nothing(), [0, 1], Resources(gpu=False))
    next(answers)
    found = time.perf_counter() - begin
    list(answers)
    return found


class _Nothing:
    def __call__(self, piece: int, device: torch.device) -> int:
        return piece


def _writes(times: int) -> list[Measurement]:
    """A small checkpoint and a record of metrics, on a local disk."""
    with tempfile.TemporaryDirectory() as name:
        run, state = RunFolder(Folder.at(name)), {"weights": torch.zeros(3_600_000)}
        write = [
            seconds(
                partial(save, run.product("checkpoints"), Worker(), state, {}, {"images": each, "config": {}})
            )
            for each in range(times // 10)
        ]
        record = [seconds(partial(run.record, each, {"loss": 1.0})) for each in range(times)]
    return [
        measured(
            "start.checkpoint", [1000 * each for each in write], "ms", note="14 MB, as a 64-pixel generator"
        ),
        measured("start.record", [1000 * each for each in record], "ms"),
    ]


def _command(*words: str) -> float:
    command = [sys.executable, "-m", "preimage", *words]
    return seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def _import(name: str) -> float:
    return float(_python(f"import time, {name}; print(time.process_time())"))


def _python(code: str) -> str:
    """The last line that it prints."""
    ran = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return ran.stdout.splitlines()[-1]


def _at_most(name: str, values: list[float], aim: float, note: str) -> Measurement:
    found = measured(name, values, "s", aim, note)
    return replace(found, at_most=True)
