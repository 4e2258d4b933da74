"""Generators as single files, each read as its users read it."""

import io
import json
import sys
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

import preimage as pi
import strangers
from preimage.errors import GeneratorError
from preimage.exporting.exporter import FORMATS, compare
from preimage.importing.importer import import_generator
from preimage.importing.save import save_generator
from preimage.importing.settings import ImportSettings
from preimage.importing.sources import open_source
from preimage.inversion.labels import generate
from preimage.models.generator_folder import load_generator, write_generator
from preimage.storage.folder import Folder
from shell import Shell


@pytest.fixture(scope="module")
def trained(tiny_generator, tmp_path_factory):
    folder = Folder.at(tmp_path_factory.mktemp("trained") / "generator")
    write_generator(tiny_generator, folder, {"job": "train-gan"})
    return folder


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """A stranger's class-conditional network, stored as a program."""
    folder = Folder.at(tmp_path_factory.mktemp("stranger") / "generator")
    torch.manual_seed(0)
    save_generator(strangers.Conditional(), folder, latent_dim=3, labels="y", classes=4, output=0)
    return folder


@pytest.fixture(params=["trained", "conditional"])
def folder_of(request):
    return request.getfixturevalue(request.param)


def inputs(generator, count):
    codes = torch.randn(count, generator.config.latent_dim, generator=torch.Generator().manual_seed(count))
    classes = getattr(generator, "classes", 0)
    return (codes, torch.arange(count) % classes) if classes else (codes,)


@torch.no_grad()
def images_of(folder, count):
    generator, _ = load_generator(folder)
    given = inputs(generator, count)
    return given, generate(generator, given[0], given[1] if len(given) > 1 else None)


def test_a_program_is_what_torch_loads_and_makes_the_same_images(folder_of, tmp_path):
    file = pi.export_generator(folder_of, tmp_path / "g.pt2")
    assert file.difference == 0
    program = torch.export.load(io.BytesIO(file.path.read_bytes())).module()
    for count in (1, 7):
        given, images = images_of(folder_of, count)
        assert torch.equal(program(*given), images)


def test_a_program_is_imported_again(folder_of, tmp_path):
    file = pi.export_generator(folder_of, tmp_path / "g.pt2")
    classes = getattr(load_generator(folder_of)[0], "classes", 0)
    settings = ImportSettings(check_range=False, labels="labels" if classes else None, classes=classes)
    import_generator(open_source(str(file.path)), settings, Folder.at(tmp_path / "again"))
    made = save_generator(file.path, tmp_path / "python", **settings.model_dump(exclude_unset=True))
    assert (tmp_path / "again" / "config.json").read_bytes() == made.folder.read("config.json")
    for count in (1, 7):
        _, images = images_of(folder_of, count)
        assert torch.equal(images_of(tmp_path / "again", count)[1], images)


def test_onnx_makes_the_same_images_in_its_own_runtime(folder_of, tmp_path):
    import onnxruntime

    file = pi.export_generator(folder_of, tmp_path / "g.onnx")
    assert file.difference <= 1e-5
    assert [each.name for each in tmp_path.iterdir()] == ["g.onnx"]
    session = onnxruntime.InferenceSession(file.path)
    for count in (1, 7):
        given, images = images_of(folder_of, count)
        names = [each.name for each in session.get_inputs()]
        assert names == ["codes", "labels"][: len(given)]
        made = session.run(["images"], {name: each.numpy() for name, each in zip(names, given, strict=True)})[
            0
        ]
        torch.testing.assert_close(torch.from_numpy(made), images, rtol=0, atol=1e-5)


def test_safetensors_hold_the_weights_and_the_card(folder_of, tmp_path):
    file = pi.export_generator(folder_of, tmp_path / "g.safetensors")
    assert file.difference == 0
    own = load_generator(folder_of)[0].state_dict()
    with safe_open(file.path, "pt") as opened:
        assert json.loads(opened.metadata()["config.json"]) == folder_of.read_json("config.json")
        assert set(opened.keys()) == set(own)
        assert all(torch.equal(opened.get_tensor(name), each) for name, each in own.items())


@pytest.mark.parametrize("kind", ["pt2", "safetensors"])
def test_a_file_that_makes_other_images_is_not_written(trained, tmp_path, monkeypatch, kind):
    serialize = FORMATS[kind].serialize

    def altered(generator, folder):
        weight = next(each for each in generator.parameters() if each.dim() == 4).flatten()
        weight[0] += 1
        data = serialize(generator, folder)
        weight[0] -= 1
        return data

    monkeypatch.setitem(FORMATS, kind, replace(FORMATS[kind], serialize=altered))
    with pytest.raises(GeneratorError, match=r"makes other images of 1 codes, by|does not match"):
        pi.export_generator(trained, tmp_path / f"g.{kind}")
    assert not list(tmp_path.iterdir())


def test_images_may_differ_by_the_tolerance_in_each_batch(tiny_generator, tmp_path):
    def away(by):
        return lambda codes, labels: tiny_generator(codes) + by * (len(codes) == 5)

    assert compare(tiny_generator, away(0), 0, tmp_path) == 0
    assert 0 < compare(tiny_generator, away(5e-6), 1e-5, tmp_path) < 1e-5
    with pytest.raises(GeneratorError, match="other images of 5 codes"):
        compare(tiny_generator, away(2e-5), 1e-5, tmp_path)
    with pytest.raises(GeneratorError, match="other images of 1 codes, by nan"):
        compare(tiny_generator, away(float("nan")), 1e-5, tmp_path)
    with pytest.raises(GeneratorError, match=r"1 codes become \(1, 256\), not \(1, 1, 16, 16\)"):
        compare(tiny_generator, lambda codes, labels: tiny_generator(codes).flatten(1), 1, tmp_path)


def test_files_are_replaced_only_on_demand_and_formats_are_known(trained, tmp_path):
    (tmp_path / "g.pt2").write_text("mine")
    with pytest.raises(GeneratorError, match=r"g\.pt2 exists: give another file, or replace it with --force"):
        pi.export_generator(trained, tmp_path / "g.pt2")
    assert pi.export_generator(trained, tmp_path / "g.pt2", force=True).size > 1000
    with pytest.raises(GeneratorError, match="'pth' is none that generators are exported to: pt2, onnx"):
        pi.export_generator(trained, tmp_path / "g.pth")


def test_what_is_missing_for_onnx_is_said_with_the_command(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(GeneratorError, match=r"needs onnxscript, .*: pip install 'preimage\[onnx\]'"):
        pi.export_generator(trained, tmp_path / "g.onnx")


def test_a_network_that_torch_cannot_trace_keeps_its_code_and_its_weights(tmp_path):
    save_generator(strangers.Branching(), tmp_path / "g", code="strangers:Branching", latent_dim=4)
    for kind in ("pt2", "onnx"):
        with pytest.raises(GeneratorError, match=r"torch\.\w+ does not take the generator of"):
            pi.export_generator(tmp_path / "g", tmp_path / f"g.{kind}", code="strangers")
    with pytest.raises(GeneratorError, match="add --code strangers"):
        pi.export_generator(tmp_path / "g", tmp_path / "g.safetensors")
    assert pi.export_generator(tmp_path / "g", tmp_path / "g.safetensors", code="strangers").difference == 0


def test_the_command_line_says_what_it_compared(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shell = Shell(monkeypatch, capsys)
    said = shell("generator", "export", trained.local, "--format", "pt2")
    assert said.code == 0, said.err
    assert "generator.pt2, 0." in said.out
    assert "of 1 and 5 codes, its images are equal bit for bit" in said.out
    assert shell("generator", "export", trained.local, "--output", "w.safetensors").code == 0
    assert "which format? Say --format pt2" in shell("generator", "export", trained.local).err
