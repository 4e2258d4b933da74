"""Studies as they are when their trials are over, without running any."""

from collections.abc import Mapping, Sequence

import torch

from preimage.figures.grids import grid_png
from preimage.models.dcgan import build_pair
from preimage.runs.run_folder import RunFolder
from preimage.specs.study import StudySpec, loads_study
from preimage.storage.folder import Folder
from preimage.tuning.records import TrialRecord, write_record
from tiny import MODEL

STUDY = """\
name: sizes
trial:
  resources: {backend: local}
  steps:
    train:
      job: train-gan
      data: {source: digits, size: 16, channels: 1, max_images: 200}
      model: {latent_dim: 4, kernel_size: 4, base_channels: 4}
      training: {total_images: 480, batch_size: 24, log_every: 48, sample_every: 240, checkpoint_every: 240}
    codes: {job: invert, generator: train, inversion: {steps: 5}}
    agreement: {job: pag, store: codes}
space:
  train.model.kernel_size: {choice: [3, 4]}
  train.model.base_channels: {choice: [4, 8]}
objectives: {agreement.pag: minimize, codes.reconstruction_error: minimize}
sampler: {name: grid}
tracking: {uri: none}
"""
"""Four trials, two objectives."""


def study(text: str = STUDY) -> StudySpec:
    return loads_study(text, "sizes.yaml", "sizes")


def samples(folder: Folder, seed: int) -> str:
    """A grid of a DCGAN's samples, and where it lies."""
    generator, _ = build_pair(MODEL, seed)
    with torch.no_grad():
        images = generator(torch.randn(16, 4, generator=torch.Generator().manual_seed(seed)))
    folder.write("samples.png", grid_png(3 * images))
    return f"{folder.uri}/samples.png"


def complete(
    number: int, values: Mapping[str, float], params: Mapping[str, object], **more: object
) -> TrialRecord:
    about = {"number": number, "params": dict(params), "state": "complete", "values": dict(values)}
    return TrialRecord.model_validate(about | more)


def trials(folder: Folder, spec: StudySpec, values: Sequence[Sequence[float]]) -> list[TrialRecord]:
    """A complete trial for each line of values, one of each objective; each has samples of its own."""
    sizes = [(size, width) for size in (3, 4) for width in (4, 8)]
    return [
        complete(
            i,
            dict(zip(spec.objectives, line, strict=True)),
            dict(zip(spec.space, sizes[i % 4], strict=True)),
            samples=samples(folder / f"trial-{i}", seed=i),
        )
        for i, line in enumerate(values)
    ]


def stored(root: Folder, records: Sequence[TrialRecord], text: str = STUDY) -> RunFolder:
    """A study's run folder as a study leaves it before its report."""
    run = RunFolder(root / "runs" / "study-0123456789")
    run.folder.write("spec.yaml", text.encode())
    about = {"job": "study", "name": "sizes", "created": "now", "key": "study", "fingerprint": "f"}
    about |= {"mlflow_run_id": "study"}
    run.folder.write_json("run.json", about)
    for record in records:
        write_record(run.folder, record)
    return run
