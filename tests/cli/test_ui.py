"""`preimage ui` as a person sees it: in a real browser, over a run that was recorded."""

import http.client
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from chromium import WITHOUT_GPU, chromium, until
from mlflow_server import free_port, wait_for
from preimage.pipelines.execute import execute
from preimage.pipelines.make_plan import make_plan
from preimage.runs.run_folder import RunFolder
from preimage.specs.load import loads
from preimage.storage.folder import Folder
from preimage.tuning.optuna_journal import Journal
from preimage.tuning.records import TrialRecord
from shell import SPEC
from studies import GRID, study_of

pytestmark = pytest.mark.browser
PICTURES = "img[src*='get-artifact'][src*='samples']"
ABOUT = ("fingerprint", "key", "created")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A tiny training with five grids of samples."""
    folder = tmp_path_factory.mktemp("ui") / "results"
    spec = loads(SPEC, "a.yaml", "a", None, [f"results={folder}", "tracking.uri=local"])
    outcome = execute(make_plan(spec))
    assert sorted(os.listdir(Path(outcome.folder) / "samples")) == [
        f"{images:012d}.png" for images in (0, 120, 240, 360, 480)
    ]
    return folder, outcome


@contextmanager
def served(folder, health, *options):
    """The port and the address that was printed, while `preimage ui` serves pages."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "preimage",
        "ui",
        "--results",
        str(folder),
        "--port",
        str(port),
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0)
    try:
        wait_for(f"http://127.0.0.1:{port}/{health}", patience=120)
        _, printed = process.stdout.readline(), process.stdout.readline().strip()
        yield port, printed
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)
        process.stdout.close()


@pytest.fixture(scope="module")
def page(results):
    """The port, the address that was printed and that of the run's page, while `preimage ui` serves them."""
    folder, outcome = results
    with served(folder, "health") as (port, printed):
        yield port, printed, f"http://127.0.0.1:{port}/#/experiments/1/runs/{outcome.mlflow_run_id}"


@pytest.fixture(scope="module")
def browser():
    with chromium(*WITHOUT_GPU, "--window-size=1500,1400") as made:
        yield made


def all_text(browser):
    """The text of the page, also where it is folded."""
    return browser.execute_script("return document.body.textContent")


def step_shown(browser):
    """The step of the one grid that is on the page with its pixels loaded; None while there is none."""
    pictures = browser.find_elements("css selector", PICTURES)
    if len(pictures) != 1:
        return None
    if (
        browser.execute_script("return arguments[0].complete ? arguments[0].naturalWidth : 0", pictures[0])
        == 0
    ):
        return None
    return pictures[0].get_attribute("src").split("step%2B")[1].split("%2B")[0]


def test_the_grids_of_samples_show_one_after_another(browser, page):
    from selenium.webdriver.common.keys import Keys

    browser.get(page[2] + "/model-metrics")
    steps = [until(lambda: step_shown(browser))]
    for _ in range(4):
        browser.find_element("css selector", "[role=slider]").send_keys(Keys.ARROW_RIGHT)
        steps.append(until(lambda: (now := step_shown(browser)) != steps[-1] and now))
    assert steps == ["0", "120", "240", "360", "480"]


def test_the_printed_address_shows_the_runs_among_the_pages_for_training(browser, page):
    browser.get(page[1])
    assert until(lambda: browser.find_elements("link text", "train-gan digits w4 d4"))
    links = {each.text for each in browser.find_elements("tag name", "a")}
    assert {"Runs", "Models"} <= links
    assert "Prompts" not in links


def test_the_page_tells_the_settings_and_where_everything_is(browser, page, results):
    _, outcome = results
    browser.get(page[2])
    text = until(lambda: (body := all_text(browser)).count("preimage.") and body)
    again = f"preimage run {outcome.run}"
    for expected in ("Finished", "training.batch_size", "generator_loss", "digits train", "Training", again):
        assert expected in text
    shown = "return [...document.images].filter(i => i.src.includes('small%2Fsamples'))[0]?.naturalWidth"
    assert until(lambda: browser.execute_script(shown)) > 100  # in the description


def test_the_drawer_of_the_dataset_says_what_it_is(browser, page):
    browser.get(page[2])
    last = "return [...document.querySelectorAll('*')].filter(e => !e.children.length && "
    last += "e.textContent.startsWith('digits train')).pop()"
    until(lambda: browser.execute_script(last)).click()
    text = until(lambda: (body := all_text(browser)).count("num rows") and body)
    for expected in ("num rows: 200", "image shape: [1,16,16]", "split: train", "pixels", "binary"):
        assert expected in text


def test_the_page_lists_the_generator_as_the_run_s_model(browser, page):
    browser.get(page[2])
    (link,) = until(lambda: browser.find_elements("css selector", "a[href*='/models/m-']"))
    assert link.text.strip() == "generator"
    browser.get(link.get_attribute("href"))
    assert until(lambda: "Ready" in browser.find_element("tag name", "body").text)


def test_a_figure_is_drawn_among_the_files(browser, page):
    browser.get(page[2] + "/artifacts/figures/losses.png")
    wide = (
        "return Math.max(0, ...[...document.images].filter(i => i.src.startsWith('blob:') || "
        "i.src.includes('losses')).map(i => i.naturalWidth))"
    )
    assert until(lambda: browser.execute_script(wide)) > 100


def require_listening_here_alone(port):
    mine = {
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    }
    assert mine == {f"0100007F:{port:04X}"}


def test_only_this_machine_is_listened_to(page):
    require_listening_here_alone(page[0])


def test_optuna_s_dashboard_shows_the_samples_of_a_running_study_s_trial(browser, results, tmp_path):
    """A study of which one trial has ended: the run of the other tests."""
    folder, outcome = results
    spec, params = study_of(GRID, folder), {"model.kernel_size": 4, "optimizer.name": "adam"}
    run = RunFolder(Folder.at(folder) / "runs" / "study-of-one")
    run.folder.write_json("run.json", {"job": "study", "name": "ui"} | dict.fromkeys(ABOUT, "-"))
    samples = outcome.figures["samples"]
    ended = TrialRecord(
        number=0, params=params, state="complete", values=dict.fromkeys(spec.objectives, 1), samples=samples
    )
    with (
        Journal(spec, run, []) as journal,
        served(folder, "api/meta", "--optuna", run.name) as (port, printed),
    ):
        require_listening_here_alone(port)
        assert refused(port, "mlflow.example")
        journal.start(0, params)
        journal.end(ended)
        browser.get(f"{printed}/trials")
        picture = until(lambda: browser.find_elements("css selector", "img[src*='/artifacts/']"))[0]
        width = "return arguments[0].complete ? arguments[0].naturalWidth : 0"
        assert until(lambda: browser.execute_script(width, picture)) > 100
        assert "ui study-of-one" in browser.find_element("tag name", "body").text


def refused(port, host):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/api/studies", headers={"Host": f"{host}:{port}"})
        return connection.getresponse().status == 403
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1", 200),
        ("mlflow.example", 403),
        ("10.evil.example", 403),
        ("10.0.0.1", 403),
    ],
)
def test_only_a_page_of_this_machine_is_answered(page, host, status):
    """A browser sends the name of the page that asks: one that leads here, from elsewhere, gets nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", page[0], timeout=30)
    try:
        connection.request(
            "GET",
            "/ajax-api/2.0/mlflow/experiments/get?experiment_id=1",
            headers={"Host": f"{host}:{page[0]}"},
        )
        assert connection.getresponse().status == status
    finally:
        connection.close()


def test_a_port_that_is_taken_is_one_error(results):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "preimage", "ui", "--results", str(results[0]), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
