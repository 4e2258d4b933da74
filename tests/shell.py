"""The command line in this process, and a spec that it runs in a second or two."""

import sys
from dataclasses import dataclass

import pytest

from preimage.cli import main

SPEC = """\
job: train-gan
data: {source: digits, size: 16, channels: 1, max_images: 200}
model: {latent_dim: 4, prior: normal, kernel_size: 4, base_channels: 4}
training: {total_images: 480, batch_size: 24, log_every: 48, sample_every: 120, checkpoint_every: 120}
resources: {backend: local}
tracking: {uri: none}
"""
PIPELINE = """\
steps:
  train:
    job: train-gan
    data: {source: digits, size: 16, channels: 1, max_images: 200}
    model: {latent_dim: 4, prior: normal, kernel_size: 4, base_channels: 4}
    training: {total_images: 480, batch_size: 24, log_every: 48, sample_every: 120, checkpoint_every: 120}
  codes: {job: invert, generator: train, inversion: {steps: 5}}
  prior: {job: pag, store: codes}
resources: {backend: local}
tracking: {uri: none}
"""


@dataclass
class Said:
    """What a command left on the screen."""

    code: int
    out: str
    err: str


class Shell:
    """Runs `preimage` as the console script does, wide enough that no line is broken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys
        monkeypatch.setenv("COLUMNS", "200")

    def __call__(self, *arguments: object) -> Said:
        self.monkeypatch.setattr(sys, "argv", ["preimage", *map(str, arguments)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0, *self.capsys.readouterr())
