"""Submissions from one host to a cluster on another, which only its token opens."""

import io
import json
import re
import shutil
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
import yaml

import code_stores
import example_plugin
import strangers
from faulty import INVERT, TRAIN, planned, wait_for
from hosts import HOME, hosts
from preimage import save_generator
from preimage.cluster.submissions import Submission, list_all
from preimage.pipelines.execute import execute
from preimage.runs.checkpoints import committed
from preimage.runs.run_folder import RunFolder
from preimage.storage.folder import Folder
from stores import store_of

pytestmark = pytest.mark.faults
SHARED = "/shared"
OWN_TOKEN = "v4lue-of-own-t0ken"
SPEC = {
    "steps": {"train": TRAIN, "invert": INVERT | {"inversion": {"steps": 5}}},
    "resources": {"gpu": False, "checkpoint_seconds": 0},
    "profiles": {"long": {"train.training.total_images": 2_400_000}},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A head with its token, and a laptop that knows it; what is shared, as this process sees it."""
    shared = tmp_path_factory.mktemp("shared")
    with hosts(tmp_path_factory.mktemp("hosts"), ["head", "laptop"], shared=shared, at=SHARED) as them:
        head, laptop = them["head"], them["laptop"]
        start_head(head)
        laptop.run("ssh head cat .ray/auth_token > token; install -D -m 600 token .ray/auth_token; rm token")
        (shared / "spec.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
        yield head, laptop, shared


def start_head(head):
    head.run(
        "test -e .ray/auth_token || ray get-auth-token --generate; "
        "ray start --head --num-cpus=2 --dashboard-host=0.0.0.0 --disable-usage-stats",
        RAY_AUTH_MODE="token",
    )


def preimage(host, *words, check=True, there=HOME, **environment):
    settings = {"RAY_AUTH_MODE": "token", "PREIMAGE_RESULTS": f"{SHARED}/results", "COLUMNS": "250"}
    settings |= {"RAY_API_SERVER_ADDRESS": "http://head:8265"}
    command = f"cd {there}; preimage {' '.join(words)}"
    return host.run(command, check=check, timeout=300, **(settings | environment))


def submissions_in(shared):
    return list_all(Folder.at(shared / "results"))


def newest(shared) -> Submission:
    return submissions_in(shared)[-1]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RAY_AUTH_MODE": "disabled"}, "needs a token, and none was sent"),
        ({"RAY_AUTH_TOKEN": "wrong-wrong-wrong"}, "refuses the token that was sent"),
    ],
    ids=["none", "wrong"],
)
def test_without_the_token_nothing_is_submitted(site, environment, message):
    _, laptop, shared = site
    said = preimage(laptop, "submit", f"{SHARED}/spec.yaml", check=False, **environment)
    assert message in said
    assert "~/.ray/auth_token" in said, "it says where the token is"
    assert "wrong-wrong" not in said
    assert "Traceback" not in said
    assert not (shared / "results").exists(), "before anything is written"


def test_a_submission_from_its_plan_to_its_end(site):
    """And all that can be asked of it after its head node is gone."""
    head, laptop, shared = site
    said = preimage(laptop, "submit", f"{SHARED}/spec.yaml", "--follow", "train.training.total_images=6000")
    assert "train (train-gan): runs" in said
    assert re.search(r"upload: \d{3} files, \d\.\d\d MiB", said)
    assert "preimage/inversion/engine.py" in said, "one of the five largest"
    done = newest(shared)
    for verb in ("logs", "status", "stop"):
        assert f"preimage {verb} {done.id}" in said
    assert said.splitlines()[-1] == f"{done.id}: finished"
    assert done.state()["state"] == "finished"
    assert "invert (invert): invert-" in done.output()

    run = RunFolder(Folder.at(str(shared / "results" / "runs")) / done.record["run"].rsplit("/", 1)[1])
    about = run.folder.read_json("run.json")
    assert about["submission"] == done.id
    assert about["git_commit"] == done.record["git_commit"]

    again = preimage(laptop, "submit", f"{SHARED}/spec.yaml", "train.training.total_images=6000")
    assert "everything is already finished: nothing was submitted" in again
    plain = next(line for line in said.splitlines() if line.startswith("ray job submit"))
    by_ray = laptop.run(plain, RAY_AUTH_MODE="token", timeout=120)
    assert "succeeded" in by_ray
    assert "already finished" in by_ray
    assert done.state()["attempt"] == 2

    tracked = f"sqlite:///{SHARED}/results/mlflow.db"
    script = (
        "import json, mlflow, sys; client = mlflow.MlflowClient(sys.argv[1]);"
        "run = client.get_run(sys.argv[2]);"
        "files = [each.path for each in client.list_artifacts(sys.argv[2], 'submissions/' + sys.argv[3])];"
        "print(json.dumps([run.data.tags, files]))"
    )
    told = head.run(f'python -c "{script}" {tracked} {about["mlflow_run_id"]} {done.id} 2>/dev/null')
    tags, files = json.loads(told.splitlines()[-1])
    assert tags["preimage.submission"] == done.id
    assert tags["preimage.ray_job"] == f"http://head:8265/#/jobs/{done.id}"
    assert tags["mlflow.source.type"] == "JOB"
    assert f"Submission **{done.id}** by" in tags["mlflow.note.content"]
    assert {path.rsplit("/", 1)[1] for path in files} == {"submission.json", "code.zip"}
    assert about["mlflow_run_id"] in preimage(laptop, "status", "spec")


@pytest.fixture
def own_code(site, tmp_path, monkeypatch):
    """A package and a module on the laptop alone, each of which builds a generator of an inversion, on a
    worker and in the job's main process; both read a variable that is set on the laptop alone."""
    _, laptop, shared = site
    steps = {}
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("OWN_TOKEN", OWN_TOKEN)
    needs_it = '\nimport os\nassert os.environ["OWN_TOKEN"]\n'
    for file, module, backend in (("mine/nets.py", "mine.nets", "ray"), ("alone.py", "alone", "local")):
        (tmp_path / file).write_text(Path(strangers.__file__).read_text() + needs_it)
        code = {"code": f"{module}:Branching", "settings": {"side": 8}}
        save_generator(strangers.Branching(side=8), shared / module, latent_dim=4, **code)
        digits = TRAIN["data"] | {"size": 8, "max_images": 40}
        steps[module.replace(".", "-")] = INVERT | {
            "generator": f"{SHARED}/{module}",
            "data": digits,
            "resources": {"backend": backend},
        }
    (shared / "own.yaml").write_text(yaml.safe_dump(SPEC | {"steps": steps}, sort_keys=False))
    shutil.copytree(tmp_path, laptop.path(f"{HOME}/code"))
    monkeypatch.undo()
    for name in ("mine", "mine.nets", "alone"):
        sys.modules.pop(name, None)


@contextmanager
def watched(*hosts):
    """The command lines of all processes there meanwhile."""
    shown, over = set(), threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            for host in hosts:
                for path in host.path("/proc").glob("[0-9]*/cmdline"):
                    with suppress(OSError):
                        shown.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield shown
    finally:
        over.set()
        watcher.join()


def test_code_that_lies_on_the_laptop_alone_is_sent_with_the_job_that_names_it(site, own_code):
    """And a variable's value reaches all its processes, but is in no file, log or list of processes."""
    head, laptop, shared = site
    before = len(submissions_in(shared))
    there, variable = f"{HOME}/code", {"OWN_TOKEN": OWN_TOKEN}
    said = preimage(laptop, "submit", f"{SHARED}/own.yaml", check=False, there=there, **variable)
    assert "add --code mine.nets" in said
    assert len(submissions_in(shared)) == before
    named = ("--code", "mine.nets", "--code", "alone", "--env", "OWN_TOKEN")
    with watched(head, laptop) as shown:
        said = preimage(laptop, "submit", f"{SHARED}/own.yaml", "--follow", *named, there=there, **variable)
    assert said.splitlines()[-1] == f"{newest(shared).id}: finished"
    assert any("setup_worker" in line for line in shown), "where Ray shows its own variables"
    asked = head.run(
        "ray job list; cat /tmp/ray/session_latest/logs/runtime_env_agent.log", RAY_AUTH_MODE="token"
    )
    assert "PREIMAGE_ENV" in asked
    told = [said, asked, *shown, preimage(laptop, "status", newest(shared).id, "--json")]
    assert not [each for each in told if OWN_TOKEN in each]
    kept = [path for path in shared.rglob("*") if path.is_file() and OWN_TOKEN.encode() in path.read_bytes()]
    assert not kept
    assert not head.run(f"grep -rl {OWN_TOKEN[:-1]}[{OWN_TOKEN[-1]}] /tmp/ray/session_latest/logs || true")
    with ZipFile(io.BytesIO(newest(shared).folder.read("code.zip"))) as sent:
        assert {"mine/nets.py", "alone/__init__.py", "preimage/api.py"} <= set(sent.namelist())
        assert newest(shared).record["upload"]["files"] == len(sent.namelist())


def test_a_plugin_that_is_installed_on_the_laptop_alone_is_sent_with_the_spec_that_uses_it(site, tmp_path):
    head, laptop, shared = site
    shutil.copytree(example_plugin.install(tmp_path), laptop.path(f"{HOME}/plugins"))
    code_store = code_stores.store_of(Folder.at(shared / "codes"), torch.randn(100, 4))
    words = ("submit", f"{SHARED}/test.yaml", f"store={SHARED}/codes", "--follow")
    spec = {"job": "two-sample-test", "store": "", "permutations": 20, "resources": {"gpu": False}}
    (shared / "test.yaml").write_text(yaml.safe_dump(spec))
    said = preimage(laptop, *words, check=False)
    assert "no such job" in said
    assert "install the plugin that brings it" in said
    said = preimage(laptop, *words, PYTHONPATH=f"{HOME}/plugins")
    assert "plugin preimage-example 0.1; the cluster must have zuko" in said
    done = newest(shared)
    assert said.splitlines()[-1] == f"{done.id}: finished"
    assert done.record["plugins"] == {"preimage-example": "0.1"}
    with ZipFile(io.BytesIO(done.folder.read("code.zip"))) as sent:
        names = set(sent.namelist())
    assert "preimage_example/two_sample_test.py" in names
    assert "preimage_example-0.1.dist-info/entry_points.txt" in names
    run = RunFolder(Folder.at(str(shared / "results" / "runs")) / done.record["run"].rsplit("/", 1)[1])
    assert run.about()["plugins"] == {"preimage-example": "0.1"}
    assert run.outcome().metrics["codes"] == code_store.count
    refused = preimage(head, "plan", run.name, check=False)
    assert "was made with the plugin preimage-example 0.1, which is not installed here" in refused


def test_what_was_stopped_leaves_no_process_and_goes_on_when_submitted_again(site):
    head, laptop, shared = site
    preimage(laptop, "submit", f"{SHARED}/spec.yaml", "-p", "long")
    first = newest(shared)
    wait_for(lambda: "train (train-gan): " in first.output(), seconds=120)
    refused = preimage(laptop, "submit", f"{SHARED}/spec.yaml", "-p", "long", check=False)
    assert f"is already running this plan: submission {first.id}" in refused
    assert working_for(head, first)
    wait_for(lambda: checkpoints_of(shared) >= 1, seconds=120)
    assert "stopped" in preimage(laptop, "stop", "spec")
    assert first.state()["state"] == "stopped"
    wait_for(lambda: not working_for(head, first), seconds=30)
    assert " has already ended: stopped" in preimage(laptop, "stop", first.id)
    followed = preimage(laptop, f"logs {first.id} -f --tail 1; echo code $?")
    assert followed.splitlines()[-1] == "code 130"

    made = checkpoints_of(shared)
    assert f"preimage submit {first.id}" in preimage(laptop, "status", first.id)
    preimage(laptop, "submit", first.id)
    second = newest(shared)
    assert second.id != first.id
    assert second.record["run"] == first.record["run"]
    wait_for(lambda: ", resumes" in second.output(), seconds=120)
    wait_for(lambda: checkpoints_of(shared) > made, seconds=120)
    listed = json.loads(preimage(laptop, "jobs --json 2>/dev/null"))["submissions"]
    by_id = {each["id"]: each for each in listed}
    assert by_id[first.id]["state"] == "superseded"
    assert by_id[second.id]["state"] == "running"
    assert by_id[second.id]["progress"]["total"] == 2_400_000
    preimage(laptop, "stop", second.id, first.id)


def checkpoints_of(shared) -> int:
    """Images at the newest checkpoint of the long training."""
    found = [int(path.parent.name) for path in shared.glob("results/runs/*/checkpoints/*/meta.json")]
    return max((each for each in found if each > 6_000), default=0)


def working_for(host, submission):
    """Processes there that belong to a submission; not an actor of Ray's own that the first job leaves."""
    found = f"grep -lz PREIMAGE_SUBMISSION=.*{submission.id} /proc/[0-9]*/environ"
    stays = "grep -q AutoscalingCoordinator ${each%environ}cmdline"
    return host.run(f"for each in $({found}); do {stays} || echo $each; done", check=False).split()


def test_results_that_the_cluster_does_not_see_are_refused_by_the_job(site):
    _, laptop, _ = site
    preimage(laptop, "submit", f"{SHARED}/spec.yaml", "results=/home/operator/alone")
    wait_for(lambda: "died" in preimage(laptop, "jobs", "--results=/home/operator/alone"), seconds=60)
    said = preimage(laptop, "status", "spec", "--results=/home/operator/alone")
    assert "cannot be seen on head" in said
    away = preimage(laptop, "status", "spec", "--results=/home/operator/alone", "--address=http://head:1")
    assert "died, exit code 2 (error: " in away, "it is known without the cluster too"
    assert "Put the results where" in said


def test_relative_results_are_refused_before_anything_is_sent(site):
    _, laptop, _ = site
    said = preimage(laptop, "submit", f"{SHARED}/spec.yaml", "results=here", check=False)
    assert "would be in the job's own folder" in said


@pytest.mark.long
def test_a_head_that_is_killed_loses_nothing_that_was_made(site, tmp_path):
    """The last test of this file. Everything can be asked while the head is away, and a new one goes on."""
    head, laptop, shared = site
    steps = SPEC["steps"] | {
        "train": TRAIN | {"seed": 5, "training": TRAIN["training"] | {"total_images": 60_000}}
    }
    undisturbed = planned(tmp_path, steps)
    (shared / "other.yaml").write_text(yaml.safe_dump(SPEC | {"steps": steps}, sort_keys=False))
    run = RunFolder(Folder.at(shared / "results" / "runs" / undisturbed.steps[0].run.name))
    preimage(laptop, "submit", f"{SHARED}/other.yaml")
    lost = newest(shared)
    wait_for(lambda: len(committed(run.product("checkpoints"))) >= 1, seconds=120)
    head.kill()
    assert not run.outcome(), "the training was too quick"
    table = preimage(laptop, "jobs")
    states = {line.split()[0]: line.split()[1] for line in table.splitlines()[1:] if line.strip()}
    assert states[lost.id] == "unknown"
    done = [each.id for each in submissions_in(shared) if each.state().get("state") == "finished"]
    assert all(states[each] == "finished" for each in done), "of the tests before, if they ran"
    assert "train (train-gan): " in preimage(laptop, "logs", lost.id)
    said = preimage(laptop, "status", lost.id)
    assert "no cluster answers at http://head:8265" in said
    assert "last seen at" in said

    began = time.monotonic()
    head.boot()
    start_head(head)
    assert "lost" in preimage(laptop, "jobs").split(lost.id)[1].splitlines()[0]
    assert f"preimage submit {lost.id}" in preimage(laptop, "status", lost.id)
    made = committed(run.product("checkpoints"))[-1].images
    preimage(laptop, "submit", lost.id)
    assert "superseded" in preimage(laptop, "jobs").split(lost.id)[1].splitlines()[0]
    wait_for(lambda: committed(run.product("checkpoints"))[-1].images > made, seconds=200)
    print(
        f"\nbeyond the old checkpoint {time.monotonic() - began:.1f} s after the head was switched on again"
    )
    follow = preimage(laptop, "logs", newest(shared).id, "-f")
    assert ", resumes" in follow
    execute(undisturbed)
    curve = dict(undisturbed.steps[0].run.curve("generator_loss"))
    assert dict(run.curve("generator_loss")) == pytest.approx(curve, rel=1e-3)
    found, expected = (
        store_of(each.steps[1].run).head(400) for each in (planned(shared / "results", steps), undisturbed)
    )
    assert torch.equal(found.image_id, expected.image_id)
    assert torch.allclose(found.z, expected.z, atol=1e-4)
