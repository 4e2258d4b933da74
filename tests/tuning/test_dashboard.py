"""Optuna's dashboard over the results: what it shows of studies, also while they run, and what it refuses."""

import io
import json
from wsgiref.util import setup_testing_defaults

import optuna
import pytest

from preimage.cli.listening import allowed_hosts
from preimage.cli.read_only_pages import guarded
from preimage.errors import SpecError
from preimage.runs.run_folder import RunFolder
from preimage.tuning import all_studies
from preimage.tuning.all_studies import TRIALS, AllStudies
from preimage.tuning.dashboard import dashboard, page_of
from preimage.tuning.journal_file import FILE
from preimage.tuning.optuna_journal import Journal
from preimage.tuning.records import TrialRecord
from preimage.tuning.trial_pictures import TrialPictures, artifacts
from studies import GRID, study_of

PARAMS = {"model.kernel_size": 4, "optimizer.name": "sgd", "optimizer.momentum": 0.9}
VALUES = {"generator_loss": 1.5, "discriminator_loss": 0.5}
PNG = b"\x89PNG\r\n\x1a\n and so on"


@pytest.fixture(autouse=True)
def _looking_each_time(monkeypatch):
    monkeypatch.setattr(all_studies, "LOCAL_S", 0.0)
    monkeypatch.setattr(all_studies, "REMOTE_S", 0.0)


@pytest.fixture
def spec(tmp_path):
    return study_of(GRID, tmp_path / "results")


@pytest.fixture
def runs(folder):
    return folder / "runs"


def begun(runs, name, created="2026-01-01", title="grid"):
    run = RunFolder(runs / name)
    about = {"job": "study", "name": title, "fingerprint": "f", "key": name, "created": created}
    run.folder.write_json("run.json", about)
    return run


def ended(number, runs):
    """A trial's record, whose samples are in a run's folder."""
    (runs / f"train-gan-{number}").write("figures/samples.png", PNG)
    samples = str(runs / f"train-gan-{number}" / "figures" / "samples.png")
    return TrialRecord(
        number=number,
        params=PARAMS,
        state="complete",
        values=VALUES,
        run=f"train-gan-{number}",
        samples=samples,
    )


class Browser:
    """Asks a dashboard that nobody asked before, which would answer from its memory for seconds."""

    def __init__(self, runs, is_allowed=lambda host: True, studies=None):
        self.app = guarded(dashboard(studies or AllStudies(runs), runs), is_allowed)

    def __call__(self, path, method="GET", body=b"", host="localhost:8080"):
        environ = {"PATH_INFO": path, "REQUEST_METHOD": method, "HTTP_HOST": host, "HTTP_ACCEPT_ENCODING": ""}
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ |= {"CONTENT_TYPE": "application/json"}
        setup_testing_defaults(environ)
        said = {}

        def start(status, headers, *_):
            said.update(status=int(status.split()[0]), headers=dict(headers))

        data = b"".join(self.app(environ, start))
        return said["status"], said["headers"], data

    def json(self, path):
        status, _, data = self(path)
        assert status == 200, data
        return json.loads(data)


def states(runs, studies=None, study=0):
    return [each["state"] for each in Browser(runs, studies=studies).json(f"/api/studies/{study}")["trials"]]


def everything(folder):
    return {path: path.read_bytes() for path in folder.local.rglob("*") if path.is_file()}


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_it_shows_trials_as_they_wait_run_and_end_and_studies_as_they_begin(spec, place, request):
    runs = request.getfixturevalue(place) / "runs"
    studies = AllStudies(runs)
    assert Browser(runs, studies=studies).json("/api/studies") == {"study_summaries": []}
    run = begun(runs, "study-b")
    with pytest.raises(SpecError, match="study-b has nothing to show yet"):
        page_of(studies, "study-b")
    with Journal(spec, run, []) as journal:
        assert states(runs, studies) == ["Waiting"] * 6
        journal.start(1, PARAMS)
        journal._file._write()  # elsewhere, now and then
        assert states(runs, studies)[:3] == ["Waiting", "Running", "Waiting"]
        journal.end(ended(1, runs))
    assert states(runs, studies)[:3] == ["Waiting", "Complete", "Waiting"]
    with Journal(spec, begun(runs, "study-a", "2026-01-02", "rates"), []):
        listed = Browser(runs, studies=studies).json("/api/studies")["study_summaries"]
        assert [each["study_name"] for each in listed] == ["grid study-b", "rates study-a"]
        assert page_of(studies, "study-a") == "dashboard/studies/1"
    with Journal(spec, run, [ended(0, runs)]) as journal:  # the same study again, from its records
        assert states(runs, studies) == ["Complete"] + ["Waiting"] * 5


def test_half_a_line_waits_for_its_end_and_what_is_no_journal_is_not_shown(spec, runs, caplog):
    whole, torn, other = (begun(runs, f"study-{name}", name) for name in ("a", "b", "c"))
    for run in (whole, torn):
        with Journal(spec, run, [ended(0, runs)]):
            pass
    data = torn.folder.read(FILE)
    torn.folder.write(FILE, data[:-9])
    other.folder.write(FILE, b'{"op_code": 0}\nnot JSON\n')
    begun(runs, "study-d").folder.write_json("run.json", {"format": "a strange one"})
    studies = AllStudies(runs)
    assert [states(runs, studies, n) for n in (0, 1)] == [["Complete"] + ["Waiting"] * n for n in (5, 4)]
    torn.folder.write(FILE, data)
    assert states(runs, studies, 1) == ["Complete"] + ["Waiting"] * 5
    assert Browser(runs, studies=studies)("/api/studies/2")[0] == 404
    assert "study-c/optuna.log is not a journal of Optuna's" in caplog.text
    assert "study-d" in caplog.text
    assert len(caplog.records) == 2


def test_optuna_finds_each_trial_of_several_studies(spec, runs):
    for name in ("study-a", "study-b"):
        with Journal(spec, begun(runs, name), [ended(0, runs)]):
            pass
    studies = AllStudies(runs)
    for id_, name in enumerate(("grid study-a", "grid study-b")):
        study = optuna.load_study(study_name=name, storage=studies)
        assert study.directions == [optuna.study.StudyDirection.MINIMIZE] * 2
        assert study.metric_names == list(VALUES)
        assert [each._trial_id for each in study.trials] == [id_ * TRIALS + n for n in range(6)]
        assert [each.number for each in study.best_trials] == [0]
        assert studies.get_trial(id_ * TRIALS).user_attrs == {"run": "train-gan-0", "seconds": 0.0}
    for wrong in (6, 2 * TRIALS):
        with pytest.raises(KeyError):
            studies.get_trial(wrong)


def test_nothing_is_changed_through_it(spec, folder, runs):
    with Journal(spec, begun(runs, "study-a"), [ended(0, runs)]):
        pass
    before = everything(folder)
    studies = AllStudies(runs)
    from optuna_dashboard import wsgi

    unguarded = wsgi(studies, artifact_store=TrialPictures(runs))
    (id_,) = (each.partition(":")[2] for each in artifacts(ended(0, runs)))
    filled = {"<study_id:int>": "0", "<trial_id:int>": "0", "<history_id>": "0"}
    body = {"study_name": "new", "directions": ["minimize"], "state": "Fail", "user_attrs": {"a": 1}}
    body |= {"body": "a note", "version": 1, "file": "data:text/plain;base64,YQ==", "filename": "a"}
    body |= {"mode": "ChooseWorst", "candidates": [0], "clicked": 0, "output_type": "note"}
    asked = []
    for route in unguarded.routes:
        path = route.rule.replace("<artifact_id:re:[0-9a-fA-F-]+>", id_)
        for key, value in filled.items():
            path = path.replace(key, value)
        if route.method != "GET":
            asked.append(path)
            browser = Browser(runs, studies=studies)
            assert browser(path, route.method, json.dumps(body).encode())[0] == 405
            browser.app = unguarded
            status, _, _ = browser(path, route.method, json.dumps(body).encode())
            assert status >= 400 or "rdb" in path, path
    assert len(asked) >= 15, "the dashboard's routes are found"
    assert everything(folder) == before
    with pytest.raises(PermissionError):
        optuna.create_study(storage=studies, study_name="new")


def test_a_trial_s_samples_are_its_artifact(spec, runs):
    with Journal(spec, begun(runs, "study-a"), [ended(2, runs)]) as journal:
        journal.start(3, PARAMS)
        journal.end(ended(3, runs))
        journal.start(4, PARAMS)
        journal.end(TrialRecord(number=4, params=PARAMS, state="failed", error="no such luck"))
    browser = Browser(runs)
    trials = browser.json("/api/studies/0")["trials"]
    assert [len(each["artifacts"]) for each in trials] == [0, 0, 1, 1, 0, 0]
    (samples,) = trials[3]["artifacts"]
    assert (samples["filename"], samples["mimetype"]) == ("samples.png", "image/png")
    status, headers, data = browser(f"/artifacts/0/{trials[3]['trial_id']}/{samples['artifact_id']}")
    assert (status, data) == (200, PNG)
    assert headers["Content-Type"] == "image/png"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers, "other sites could read it"


@pytest.mark.parametrize(
    ("samples", "name"),
    [
        ("/a/results/runs/r-1/figures/samples.png", "r-1/figures/samples.png"),
        (
            "s3://b/it's/runs/r-1/samples/000000000240.png?region=x&scheme=http",
            "r-1/samples/000000000240.png",
        ),
        ("/a/results/runs/r-1/figures/errors.png", None),
        (None, None),
    ],
)
def test_an_artifact_s_id_says_where_it_is_wherever_the_results_are(samples, name):
    record = TrialRecord(number=0, params={}, state="complete", samples=samples)
    assert [bytes.fromhex(key.partition(":")[2]).decode() for key in artifacts(record)] == [name] * bool(name)


@pytest.mark.parametrize(
    "place",
    [
        *("../secret/figures/samples.png", "../../outside/figures/samples.png", "..", "", "r"),
        *("r/../../figures/samples.png", "/etc/passwd", "r/figures/text.png", "r/figures/samples.png\0"),
        *(
            "r/figures/../figures/samples.png",
            "r//figures/samples.png",
            "text/figures/samples.png",
            "./r/figures/samples.png",
        ),
    ],
)
def test_only_samples_in_a_run_s_folder_are_pictures(runs, place):
    for where in (runs / "r", runs.parent / "secret", runs.parent.parent / "outside"):
        for name in ("samples.png", "text.png"):
            (where / "figures").write(name, PNG)
    (runs / "text" / "figures").write("samples.png", b"<script>")
    browser = Browser(runs)
    assert browser(f"/artifacts/0/0/{b'r/figures/samples.png'.hex()}")[2] == PNG
    status, _, data = browser(f"/artifacts/0/0/{place.encode().hex()}")
    assert (status, data) == (404, b"there is no such picture")


def test_an_id_of_other_digits_is_no_picture(runs):
    assert [Browser(runs)(f"/artifacts/0/0/{id_}")[0] for id_ in ("xyz", "f", "ff", "%2e%2e")] == [404] * 4


HOSTS = {
    "localhost": {"127.0.0.1": True, "0.0.0.0": True},
    "localhost:8080": {"127.0.0.1": True, "0.0.0.0": True},
    "127.0.0.1:8080": {"127.0.0.1": True, "0.0.0.0": True},
    "10.0.0.1:8080": {"127.0.0.1": False, "0.0.0.0": True},
    "[fd00::1]:8080": {"127.0.0.1": False, "0.0.0.0": True},
    "8.8.8.8:8080": {"127.0.0.1": False, "0.0.0.0": False},
    "10.evil.example": {"127.0.0.1": False, "0.0.0.0": False},
    "localhost.evil.example": {"127.0.0.1": False, "0.0.0.0": False},
    "head.example:8080": {"127.0.0.1": False, "0.0.0.0": False},
    "": {"127.0.0.1": False, "0.0.0.0": False},
}


@pytest.mark.parametrize("header", HOSTS)
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_it_answers_only_under_names_of_its_address(runs, header, address):
    """A browser sends the name of the page that asks: one that leads here, from elsewhere, gets nothing."""
    browser = Browser(runs, allowed_hosts(address))
    for path in ("/api/studies", "/dashboard", "/static/bundle.js", "/artifacts/0/0/00"):
        assert (browser(path, host=header)[0] != 403) == HOSTS[header][address], path


def test_the_operator_names_other_hosts_as_for_mlflow(monkeypatch):
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "head.example:8080, *.lab.example")
    for address in ("127.0.0.1", "0.0.0.0"):
        is_allowed = allowed_hosts(address)
        assert [is_allowed(each) for each in ("head.example:8080", "a.lab.example")] == [True, True]
        assert not any(map(is_allowed, ("head.example", "evil.example", "10.0.0.1", "localhost")))
