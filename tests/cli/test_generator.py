"""`preimage generator`, as a user types it."""

import json

import pytest
import torch
from safetensors.torch import save_file

import strangers
from preimage.models.generator_folder import load_generator
from shell import Shell

FLAT = ("--latent-dim", "4", "--range", "0..1", "--image-shape", "1,6,6")


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys)


def imported(shell, *words: str):
    return shell("generator", "import", *words)


def test_a_class_and_its_weights_become_a_folder_that_a_job_takes(shell, tmp_path):
    network = strangers.mlp(5)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    said = imported(shell, "strangers:mlp", "--weights", "w.safetensors", "--set", "width=5", *FLAT)
    assert said.code == 0, said.err
    assert "4 components, prior normal" in said.out
    assert "1 x 6 x 6, values from 0." in said.out
    folder = tmp_path / "results" / "generators" / "mlp"
    assert f"preimage run invert generator={folder}" in said.out
    z = torch.randn(3, 4)
    torch.testing.assert_close(load_generator(folder)[0](z), network(z).view(3, 1, 6, 6) * 2 - 1)
    shown = shell("generator", "show", str(folder)).out
    assert "strangers:mlp" in shown
    assert "w.safetensors" in shown


def test_all_that_a_network_needs_can_be_said(shell, tmp_path):
    said = imported(
        shell, "strangers:Conditional", "--latent-dim", "3", "--take", "0", "--labels", "y", "--classes", "4"
    )
    assert said.code == 0, said.err
    said = imported(
        shell,
        "strangers:Conditional",
        "--latent-dim",
        "3",
        "--take",
        "0",
        "--fixed",
        "y=2",
        "--output",
        "two",
    )
    assert said.code == 0, said.err
    card = json.loads((tmp_path / "two" / "config.json").read_text())
    assert card["generator"]["classes"] == 0
    words = ("--call", "synthesis", "--prior-through", "mapping", "--space", "w", "--code-shape", "5")
    said = imported(shell, "strangers:Style", *words)
    assert said.code == 0, said.err
    assert (tmp_path / "results" / "generators" / "style" / "prior" / "config.json").exists()


def test_a_folder_that_needs_code_says_how_to_name_it(shell, tmp_path):
    said = imported(shell, "strangers:Branching", "--latent-dim", "4")
    assert "the folder needs the code of strangers:Branching" in said.out
    assert "--code strangers" in said.out.splitlines()[-1]
    (tmp_path / "job.yaml").write_text(
        "job: invert\ngenerator: results/generators/branching\nresources: {backend: local}\n"
        "data: {source: digits, size: 8, channels: 1, max_images: 4}\n"
    )
    said = shell("plan", "job.yaml")
    assert said.code == 2
    assert "add --code strangers" in said.err
    assert shell("plan", "job.yaml", "--code", "strangers").code == 0
    assert shell("plan", "job.yaml", "code=[strangers]").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["strangers:mlp", "--latent-dim", "4"], "try --image-shape 1,6,6"),
        (["strangers:mlp", *FLAT, "--range", "1"], "--range takes two numbers, such as 0..1"),
        (["strangers:mlp", *FLAT, "--range", "1..0"], "must go from low to high"),
        (["strangers:mlp", *FLAT, "--code-shape", "four"], "--code-shape takes numbers between commas"),
        (["strangers:mlp", *FLAT, "--set", "width"], "--set takes NAME=VALUE"),
        (["strangers:mlp", *FLAT, "--classes", "3"], "labels and classes go together"),
        (["strangers:mlp", *FLAT, "--weights", "none.pth"], "there is no file of weights none.pth"),
        (["none.pt2"], "there is no file none.pt2"),
        ([".", "--latent-dim", "4"], "no folder of a diffusers model"),
        (["hf://someone/model"], "download it first"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_mistake_is_one_message_and_leaves_nothing(shell, tmp_path, words, said):
    found = imported(shell, *words)
    assert found.code == 2
    assert said in " ".join(found.err.split())
    assert not (tmp_path / "results").exists()
