"""Autoencoders in diffusers' layout."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from preimage.errors import GeneratorError
from preimage.importing.sources import open_source


def folder(tmp_path, **config):
    (tmp_path / "vae").mkdir()
    about = {"_class_name": "AutoencoderKL", "latent_channels": 4} | config
    (tmp_path / "vae" / "config.json").write_text(json.dumps(about))
    return str(tmp_path / "vae")


def test_latents_are_scaled_and_shifted_back_before_they_are_decoded(tmp_path, monkeypatch):
    """With a package of the same names: see below for the real one."""
    torch.manual_seed(0)
    decoder, before = nn.Conv2d(4, 3, 3, padding=1), nn.Conv2d(4, 4, 1)
    package = ModuleType("diffusers")
    found = SimpleNamespace(decoder=decoder, post_quant_conv=before)
    package.AutoencoderKL = SimpleNamespace(from_pretrained=lambda path, **options: found)
    monkeypatch.setitem(sys.modules, "diffusers", package)
    source = open_source(folder(tmp_path, scaling_factor=0.5, shift_factor=0.25))
    z = torch.randn(2, 4, 5, 6)
    torch.testing.assert_close(source.network(z), decoder(before(z / 0.5 + 0.25)))
    assert "--code-shape 4,H,W" in source.ask


def test_a_real_autoencoders_images_are_the_packages_own(tmp_path):
    diffusers = pytest.importorskip("diffusers", reason="the package diffusers is not installed")
    channels = {"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8)}
    model = diffusers.AutoencoderTiny(num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1), **channels).eval()
    model.save_pretrained(tmp_path / "tiny")
    z = torch.randn(2, 4, 4, 4)
    torch.testing.assert_close(open_source(str(tmp_path / "tiny")).network(z), model.decode(z).sample)


def test_without_the_package_and_with_another_model_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    place = folder(tmp_path)
    with pytest.raises(
        GeneratorError, match="needs diffusers, which is not installed: pip install diffusers"
    ):
        open_source(place)
    (tmp_path / "vae" / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    with pytest.raises(
        GeneratorError, match="holds a UNet2DModel: AutoencoderKL and AutoencoderTiny are read"
    ):
        open_source(place)
