"""What is said of precisions that do not pay. The factor is given: nothing here is timed."""

import pytest
import torch
from torch import nn

import preimage
from preimage import hardware
from preimage.inversion.config import InversionConfig
from preimage.jobs import InvertJob, TrainGanJob
from preimage.pipelines import low_precision
from preimage.pipelines.low_precision import expected, lowered, warn

HERE = {"cpu": "a processor", "instructions": "avx2"}
ON = HERE | {"cores": 1}
SPEC = """
job: train-gan
data: {source: digits, size: 16, channels: 1}
model: {latent_dim: 2, base_channels: 2}
training: {total_images: 24, batch_size: 24, precision: bf16}
resources: {backend: local, gpu: false}
tracking: {uri: none}
"""


@pytest.fixture
def measured(monkeypatch):
    """How often the factor was measured; 18 each time."""
    calls: list[float] = []

    def factor():
        calls.append(18.04)
        return calls[-1]

    monkeypatch.setattr(low_precision, "bfloat16_factor", factor)
    monkeypatch.setattr(hardware, "machine", lambda: dict(HERE))
    low_precision._warn.cache_clear()
    return calls


def gan(precision: str) -> TrainGanJob:
    data = {"source": "digits", "size": 16, "channels": 1}
    return TrainGanJob.model_validate({"data": data, "training": {"precision": precision}})


def test_a_job_s_precisions_are_found_by_their_keys():
    mixed = InvertJob(generator="there", inversion=InversionConfig(solver="adam", lr=0.1, precision="mixed"))
    assert lowered(mixed) == {"inversion.precision": "mixed"}
    assert [lowered(gan(each)) for each in ("float32", "bf16")] == [{}, {"training.precision": "bf16"}]


@pytest.mark.parametrize(("value", "factor", "said"), [("bf16", 1.1, ""), ("mixed", 1.3, "about 1.3")])
def test_only_what_takes_clearly_longer_is_warned_of(value, factor, said, measured, monkeypatch, caplog):
    monkeypatch.setattr(low_precision, "bfloat16_factor", lambda: factor)
    warn({"inversion.precision": value}, ON)
    assert bool(caplog.messages) == bool(said)
    assert said in caplog.text


def test_a_warning_says_how_slow_it_is_and_what_to_set_and_comes_once(measured, caplog):
    for _ in range(2):
        warn({"training.precision": "bf16"}, ON)
    assert caplog.messages == [
        "training.precision=bf16: a convolution of 64 channels takes about 18 times as long in bfloat16 "
        "as in float32 on this processor (a processor, AVX2); set training.precision=float32"
    ]


@pytest.mark.parametrize("on", [None, ON | {"gpu": "a GPU"}])
@pytest.mark.parametrize("value", ["tf32", "bf16"])
def test_nothing_is_measured_or_said_of_a_gpu_or_of_what_is_not_known(on, value, measured, caplog):
    warn({"training.precision": value}, on)
    assert not caplog.messages
    assert not measured


def test_full_precision_is_not_measured_and_tf32_on_a_cpu_is_named(measured, caplog):
    warn({"training.precision": "float32"}, ON)
    warn({"training.precision": "tf32"}, ON)
    assert caplog.messages == ["training.precision=tf32 is the same as float32 on a CPU"]
    assert not measured


def test_other_processors_of_a_cluster_are_asked(measured, monkeypatch, caplog):
    monkeypatch.setattr("preimage.cluster.hardware.bfloat16_factor_of_nodes", lambda: 38.2)
    warn({"training.precision": "bf16"}, ON | {"cpu": "another"})
    assert "about 38 times" in caplog.text
    assert not measured


@pytest.mark.parametrize(
    ("flags", "limit", "found"),
    [
        ({"avx2", "fma"}, "", False),
        ({"avx512f", "avx512_bf16"}, "", True),
        ({"avx512f", "amx_bf16"}, "AVX512_CORE_AMX", True),
        ({"avx512f", "avx512_bf16"}, "AVX2", False),
        ({"asimd", "bf16"}, "", True),
        (set(), "", None),
    ],
)
def test_flags_tell_a_plan_whether_bfloat16_pays(flags, limit, found, measured, monkeypatch):
    monkeypatch.setattr(hardware, "_processor", lambda: (flags, "a processor"))
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert hardware.multiplies_bfloat16() is found
    assert bool(expected(gan("bf16"), ON)) == (found is False)
    assert expected(gan("float32"), ON) is None
    assert expected(gan("tf32"), ON) == "training.precision=tf32 is the same as float32 on a CPU"
    assert expected(gan("bf16"), ON | {"gpu": "a GPU"}) is None
    assert not measured


def test_a_plan_says_it_and_a_run_warns_before_it_trains(measured, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(hardware, "multiplies_bfloat16", lambda: False)
    (tmp_path / "spec.yaml").write_text(SPEC)
    planned = preimage.plan(tmp_path / "spec.yaml", results=f"{tmp_path}/results")
    facts = dict(planned.describe().sections[0].facts)
    assert "convolutions take many times as long in bfloat16" in facts["note"]
    preimage.run(planned)
    assert len([text for text in caplog.messages if "about 18 times" in text]) == 1


def test_a_search_from_python_warns_too(measured, caplog):
    generator = nn.Sequential(nn.Linear(6, 64), nn.Unflatten(1, (1, 8, 8)), nn.Tanh())
    how = {"prior": "normal", "latent_dim": 6, "solver": "adam", "steps": 1}
    preimage.invert(generator, torch.zeros(1, 1, 8, 8), precision="mixed", **how)
    assert "precision=mixed: a convolution of 64 channels takes about 18 times" in caplog.text
