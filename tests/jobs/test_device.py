"""Every kind of job computes where `resources.device()` says: tested with a pretended GPU."""

import sys

import pytest
import torch
import yaml

import strangers
from preimage import save_generator
from preimage.cluster.connect import require
from preimage.config import Resources
from preimage.errors import PreimageError
from preimage.jobs.registry import JOBS
from preimage.pipelines.describe import describe
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.specs.load import loads
from preimage.tuning.trial import _in_process

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 100}
MODEL = {"latent_dim": 2, "base_channels": 2}
ONE_STEP = {"total_images": 50, "batch_size": 50, "checkpoint_every": 50, "sample_every": 50}
QUICK = {"solver": "adam", "steps": 2}
ON_IMAGES = {"data": DATA, "training": ONE_STEP}
STEPS = {
    "classifier": {"job": "train-classifier", **ON_IMAGES},
    "gan": {
        "job": "train-gan",
        "model": MODEL,
        **ON_IMAGES,
        "score": {"classifier": "classifier", "images": 20},
    },
    "dfm": {"job": "train-dfm", "model": MODEL, "denoiser": {"depth": 1}, **ON_IMAGES},
    "glo": {"job": "train-glo", "model": MODEL, **ON_IMAGES},
    "autoencoder": {"job": "train-autoencoder", "model": MODEL, **ON_IMAGES},
    "pca": {"job": "pca", "data": DATA, "latent_dim": 2},
    "untrained": {"job": "init-generator", "model": MODEL, "data": DATA},
    "codes": {"job": "invert", "generator": "gan", "inversion": QUICK},
    "untrained-codes": {"job": "invert", "generator": "untrained", "inversion": QUICK},
    "pag": {"job": "pag", "store": "codes"},
    "fitted": {"job": "fit-prior", "store": "codes", "kind": "gaussian"},
    "learned": {"job": "train-prior", "store": "codes", "training": ONE_STEP | {"total_images": 100}},
    "priors": {"job": "compare-priors", "store": "codes", "priors": {"fitted": "fitted"}},
    "evaluate": {"job": "evaluate", "generators": {"GAN": "gan"}, "classifier": "classifier", "images": 20},
    "recover": {
        "job": "recover",
        "generator": "gan",
        "codes": 2,
        "noisy_codes": 1,
        "unseen": 1,
        "repeats": 2,
        "inversions": {"fast": QUICK},
        "shown": [0, 1],
        "techniques": ["none"],
    },
    "partial": {
        "job": "recover-partial",
        "generator": "gan",
        "images": 2,
        "rates": [0.5],
        "inversion": QUICK | {"init_codes": "prior"},
    },
    "explore": {
        "job": "explore",
        "generator": "gan",
        "store": "codes",
        "samples": 2,
        "conditions": 1,
        "draws": 2,
        "inversion": QUICK | {"init_codes": "prior"},
    },
    "analyze": {
        "job": "analyze-codes",
        "generator": "gan",
        "store": "codes",
        "untrained": "untrained-codes",
        "codes": 50,
        "samples": 40,
    },
    "induced": {
        "job": "induced-prior",
        "generators": ["gan"],
        "stores": ["codes"],
        "classifier": "classifier",
        "images": 64,
    },
    "compared": {"job": "compare-reconstructions", "methods": {"PCA": {"generator": "pca", "store": "pca"}}},
    "tabled": {"job": "reconstruction-table", "datasets": {"digits": {"PCA": "pca"}}},
    "weights": {
        "job": "random-weights",
        "datasets": {"digits": DATA},
        "latent_dims": [2],
        "images": 2,
        "networks": 1,
        "steps": 2,
        "after": [2],
        "base_channels": 2,
    },
}
RANDOM_NETS = {"landscape", "invertibility"}
"""On the CPU by design."""
BY_PRODUCTS_ALONE = {"pag", "fit-prior", "compare-priors", "analyze-codes", "init-generator", *RANDOM_NETS}
"""Jobs with nothing to compute on a GPU."""


@pytest.fixture
def cuda(monkeypatch):
    """As on a machine with a GPU, for our own code: whatever reaches for it fails, for there is none."""

    def is_available():
        return sys._getframe(1).f_globals["__name__"].startswith("preimage.")

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)


def test_the_device_is_the_gpu_unless_the_spec_says_no(cuda):
    assert Resources(gpu=False).device() == torch.device("cpu")
    assert Resources(gpu=True).device() == Resources().device() == torch.device("cuda", 0)


def test_without_a_gpu_a_job_that_requires_one_is_refused_before_it_starts(tmp_path):
    spec = {"job": "pca", "data": DATA, "latent_dim": 2, "results": f"{tmp_path}/results"}
    asked = [f"{key}: {value}" for key, value in spec.items()] + ["resources: {backend: local, gpu: true}"]
    with pytest.raises(PreimageError, match=r"resources.gpu=true, but this process sees no CUDA GPU"):
        make_plan(loads("\n".join(asked), "spec", "spec"))
    assert not (tmp_path / "results").exists()
    assert Resources(gpu=True).device() == torch.device("cpu")  # a driver; its workers have GPUs


def test_two_workers_never_share_a_gpu(cuda, monkeypatch, caplog):
    """On Ray a worker without a GPU of its own still sees those of its node."""
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 4, "GPU": 1})
    one, two = require(Resources(workers=1)), require(Resources(workers=2))
    assert (one.device(), two.device()) == (torch.device("cuda", 0), torch.device("cpu"))
    assert "1 GPUs for 2 workers: all of them use the CPU" in caplog.text
    with pytest.raises(PreimageError, match="2 workers need 2 GPUs but the cluster has 1"):
        require(Resources(workers=2, gpu=True))


def test_a_trial_in_one_process_has_the_gpu_that_was_reserved_for_it(cuda):
    spec = loads(f"{{job: pca, data: {DATA}, resources: {{workers: 2}}}}", "spec", "spec")
    for gpu, device in ((True, "cuda"), (False, "cpu")):
        (step,) = _in_process(spec, gpu).steps.values()
        assert (step.resources.backend, step.resources.workers) == ("local", 1)
        assert step.resources.device().type == device
    without = loads(f"{{job: pca, data: {DATA}, resources: {{gpu: false}}}}", "spec", "spec")
    (step,) = _in_process(without, True).steps.values()
    assert step.resources.device().type == "cpu", "a step that wants none"


def test_a_run_that_resumes_on_another_device_says_so(tmp_path, caplog, monkeypatch):
    text = f"{{job: pca, data: {DATA}, latent_dim: 2, results: {tmp_path}/results, tracking: {{uri: none}}}}"
    plan = make_plan(loads(text, "spec", "spec", None, ["resources.backend=local"]))
    assert "this process, on its GPU if there is one, or else the CPU" in str(describe(plan))
    execute(plan)
    run = plan.steps[0].run
    assert run.device() == "cpu"
    run.compute_on("cuda")
    run.folder.remove("outcome.json")
    execute(plan)
    assert "was begun on the GPU and resumes on the CPU" in caplog.text
    assert run.device() == "cpu"


def test_on_a_mac_it_is_said_that_the_cpu_is_used(monkeypatch, caplog):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert Resources().device() == torch.device("cpu")
    assert "Apple's GPU is not used" in caplog.text


def test_every_job_asks_for_its_device_and_computes_there(tmp_path, monkeypatch, cuda):
    """With gpu=false and a pretended GPU: one that looks for CUDA itself fails."""
    asked: set[str] = set()
    current: list[str] = []
    device = Resources.device

    def recorded(self):
        asked.update(current[-1:])
        return device(self)

    monkeypatch.setattr(Resources, "device", recorded)
    for kind in map(JOBS.__getitem__, JOBS):
        monkeypatch.setattr(kind, "run", _recording(kind.run, current))
    torch.manual_seed(0)
    save_generator(strangers.Conv(), tmp_path / "imported", code_shape=(6, 1, 1))
    plan = make_plan(loads(_text(tmp_path), "spec", "spec"))
    assert {step.job.job for step in plan.steps} == set(JOBS) - RANDOM_NETS
    asked.clear()
    execute(plan)
    assert asked == set(JOBS) - BY_PRODUCTS_ALONE


def _recording(run, current):
    def recorded(self, context):
        current.append(self.job)
        result = run(self, context)
        current.pop()
        return result

    return recorded


def _text(tmp_path):
    head = {"resources": {"backend": "local", "gpu": False}, "results": f"{tmp_path}/results"}
    imported = {"generator": f"{tmp_path}/imported", "data": DATA | {"size": 8}}
    steps = STEPS | {"imported-codes": STEPS["codes"] | imported}
    return yaml.safe_dump(head | {"tracking": {"uri": "none"}, "steps": steps}, sort_keys=False)
