"""Weights as others save them."""

import warnings

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import strangers
from preimage.errors import GeneratorError
from preimage.importing.sources import open_source
from preimage.importing.weights_file import read_weights


def trained() -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {name: each.clone() for name, each in strangers.Conv().state_dict().items()}


def opened(path, **given) -> tuple[nn.Module, tuple[str, ...]]:
    source = open_source("strangers:Conv", path, **given)
    return source.network, source.notes


def require_loaded(network: nn.Module) -> None:
    for name, each in trained().items():
        torch.testing.assert_close(network.state_dict()[name], each)


def test_safetensors_and_plain_state_dicts_are_read(tmp_path):
    save_file(trained(), tmp_path / "w.safetensors")
    torch.save(trained(), tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        network, notes = opened(tmp_path / name)
        require_loaded(network)
        assert notes == ()


def test_a_nested_state_dict_is_found_and_its_prefix_removed(tmp_path):
    prefixed = {f"module.{name}": each for name, each in trained().items()}
    whole = {"epoch": 3, "d": {"weight": torch.ones(2)}, "state": {"g_ema": prefixed}}
    torch.save(whole, tmp_path / "w.ckpt")
    network, notes = opened(tmp_path / "w.ckpt")
    require_loaded(network)
    assert notes == (
        "the state dict under 'state.g_ema' was loaded",
        "the prefix 'module.' of its names was removed",
    )


def test_a_part_of_a_larger_network_is_taken_and_the_rest_is_said(tmp_path):
    part = {f"decoder.{name}": each for name, each in trained().items()}
    torch.save(part | {"encoder.weight": torch.ones(3)}, tmp_path / "w.pt")
    network, notes = opened(tmp_path / "w.pt")
    require_loaded(network)
    assert notes[-1] == "1 tensors outside 'decoder.' were left out"


def test_of_several_that_fit_the_user_chooses(tmp_path):
    other = {name: each + 1 for name, each in trained().items()}
    torch.save({"g": other, "g_ema": trained()}, tmp_path / "w.pt")
    with pytest.raises(
        GeneratorError, match="several state dicts that fit, under 'g', 'g_ema'.*--weights-key"
    ):
        opened(tmp_path / "w.pt")
    require_loaded(opened(tmp_path / "w.pt", weights_key="g_ema")[0])
    with pytest.raises(GeneratorError, match="no state dict under 'ema', but under 'g', 'g_ema'"):
        opened(tmp_path / "w.pt", weights_key="ema")


def test_old_files_without_batch_counts_are_read(tmp_path):
    torch.save(
        {name: each for name, each in trained().items() if "num_batches" not in name}, tmp_path / "w.pt"
    )
    require_loaded(opened(tmp_path / "w.pt")[0])


def test_weights_of_another_architecture_name_what_differs(tmp_path):
    renamed = {name.replace("gen.0", "gen.00"): each for name, each in trained().items()}
    torch.save(renamed, tmp_path / "w.pt")
    with pytest.raises(GeneratorError) as caught:
        opened(tmp_path / "w.pt")
    assert "it lacks gen.0.weight (the nearest is gen.00.weight)" in str(caught.value)
    assert "it has gen.00.weight, gen.00.bias, which the network lacks" in str(caught.value)
    torch.save(trained(), tmp_path / "w.pt")
    with pytest.raises(GeneratorError, match=r"gen.0.weight \(6, 8, 4, 4\), not \(6, 5, 4, 4\).*with --set"):
        opened(tmp_path / "w.pt", settings={"width": 5})


def test_nothing_is_unpickled(tmp_path):
    torch.save(strangers.Conv(), tmp_path / "w.pt")
    with pytest.raises(GeneratorError, match="would have to be unpickled.*strangers.Conv.*save_file"):
        read_weights(tmp_path / "w.pt")


def test_files_that_are_no_weights_say_what_they_are(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(nn.Linear(2, 3), torch.ones(1, 2)), tmp_path / "script.pt")
    with pytest.raises(GeneratorError, match="TorchScript file"):
        read_weights(tmp_path / "script.pt")
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    with pytest.raises(GeneratorError, match="holds no named tensors, but a dict with the keys epoch"):
        read_weights(tmp_path / "none.pt")
    (tmp_path / "rubbish.safetensors").write_bytes(b"rubbish")
    with pytest.raises(GeneratorError, match="not a readable file of weights"):
        read_weights(tmp_path / "rubbish.safetensors")
    with pytest.raises(GeneratorError, match="there is no file of weights"):
        read_weights(tmp_path / "nowhere.pt")
