"""What torch.export.save writes, read without running it."""

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import strangers
from preimage.errors import GeneratorError
from preimage.importing.archive import read_archive
from preimage.importing.importer import import_generator
from preimage.importing.settings import ImportSettings
from preimage.importing.sources import open_source
from preimage.models.operators import ALLOWED, UnknownOperator, operator_of
from preimage.models.program import Call, Graph, Program, TensorInfo
from preimage.storage.folder import Folder
from security.mutations import FUZZ, altered, damaged, documented
from security.test_pickles import Bomb

MODEL, SAMPLES = "archive/models/model.json", "archive/data/sample_inputs/model.pt"
WEIGHTS = "archive/data/weights/model_weights_config.json"
Files = dict[str, bytes]


def exported(network: nn.Module, *shape: int, fixed_batch: bool = False) -> bytes:
    kept, sizes = io.BytesIO(), None if fixed_batch else ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(network.eval(), (torch.zeros(2, *shape),), dynamic_shapes=sizes)
    torch.export.save(program, kept)
    return kept.getvalue()


@pytest.fixture(scope="module")
def whole() -> bytes:
    torch.manual_seed(0)
    return exported(strangers.Conv(), 6, 1, 1)


def entries(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Files) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return kept.getvalue()


def changed(data: bytes, change: Callable[[dict[str, Any]], None], name: str = MODEL) -> bytes:
    """The archive with another graph, or another of its JSON files."""
    files = entries(data)
    value = json.loads(files[name])
    change(value)
    return packed(files | {name: json.dumps(value).encode()})


def test_a_program_is_what_was_exported(whole):
    torch.manual_seed(0)
    network, z = strangers.Conv().eval(), torch.randn(3, 6, 1, 1)
    found = read_archive(whole, "g.pt2")
    assert (found.code_shape, found.batch) == ((6, 1, 1), None)
    torch.testing.assert_close(found.program(z), network(z), rtol=0, atol=0)


def test_a_decomposed_program_is_the_same_network():
    torch.manual_seed(0)
    network, z, kept = strangers.Conv().eval(), torch.randn(3, 6, 1, 1), io.BytesIO()
    sizes = ({0: torch.export.Dim.DYNAMIC},)
    program = torch.export.export(network, (torch.zeros(2, 6, 1, 1),), dynamic_shapes=sizes)
    torch.export.save(program.run_decompositions(), kept)
    assert b"_native_batch_norm_legit_no_training" in kept.getvalue()
    torch.testing.assert_close(read_archive(kept.getvalue(), "g.pt2").program(z), network(z))


def test_a_users_file_becomes_a_generator(tmp_path, whole):
    (tmp_path / "conv.pt2").write_bytes(whole)
    source = open_source(str(tmp_path / "conv.pt2"))
    imported = import_generator(source, ImportSettings(), Folder.at(tmp_path / "g"))
    assert (imported.card.generator.latent_dim, imported.card.generator.shape) == (6, (1, 8, 8))


def test_a_program_exported_for_two_codes_may_take_any_number(tmp_path):
    torch.manual_seed(0)
    network, z = strangers.Conv(), torch.randn(5, 6, 1, 1)
    program = read_archive(exported(network, 6, 1, 1, fixed_batch=True), "g.pt2").program
    torch.testing.assert_close(program(z), network(z))


def test_one_of_several_outputs_is_taken():
    network = strangers.Named()
    data = exported(network, 4)
    z = torch.randn(3, 4)
    torch.testing.assert_close(read_archive(data, "g.pt2", 1).program(z), network(z)["images"])
    with pytest.raises(GeneratorError, match="has 2 outputs, and none has the number 2"):
        read_archive(data, "g.pt2", 2)


def test_a_program_in_training_mode_is_refused():
    program = torch.export.export(strangers.Conv().train(), (torch.zeros(2, 6, 1, 1),))
    kept = io.BytesIO()
    torch.export.save(program, kept)
    with pytest.raises(GeneratorError, match=r"call \.eval\(\)"):
        read_archive(kept.getvalue(), "g.pt2")


def pickled(target: Path) -> bytes:
    kept = io.BytesIO()
    torch.save(Bomb(target), kept)
    return kept.getvalue()


def test_a_pickle_in_the_sample_inputs_is_not_opened(tmp_path, whole):
    """torch.export.load opens it, and it goes off."""
    evil = packed(entries(whole) | {SAMPLES: pickled(tmp_path / "went-off")})
    assert read_archive(evil, "evil.pt2").program
    assert not (tmp_path / "went-off").exists()
    with suppress(Exception):  # whatever it says of the bomb, once that was unpickled
        torch.export.load(io.BytesIO(evil))
    assert (tmp_path / "went-off").exists()


def test_pickled_weights_and_objects_are_refused(tmp_path, whole):
    fuse = tmp_path / "went-off"

    def pickle_one(config: dict[str, Any]) -> None:
        next(iter(config["config"].values()))["use_pickle"] = True

    evil = changed(
        packed(entries(whole) | {"archive/data/weights/weight_0": pickled(fuse)}), pickle_one, WEIGHTS
    )
    with pytest.raises(GeneratorError, match="holds the pickled object .*nothing is unpickled"):
        read_archive(evil, "evil.pt2")
    for name in ("custom_obj_0", "opaque_obj_0"):
        evil = packed(entries(whole) | {f"archive/data/constants/{name}": pickled(fuse)})
        with pytest.raises(GeneratorError, match=f"holds the entry data/constants/{name}"):
            read_archive(evil, "evil.pt2")
    assert not fuse.exists()


def test_text_that_torch_would_evaluate_is_not(tmp_path, whole):
    fuse = tmp_path / "went-off"
    code = f"__import__('pathlib').Path({str(fuse)!r}).touch()"

    def put(model: dict[str, Any]) -> None:
        model["guards_code"] = [code]
        for meta in model["graph_module"]["graph"]["tensor_values"].values():
            meta["sizes"][:1] = [{"as_expr": {"expr_str": code, "hint": None}}]

    assert read_archive(changed(whole, put), "evil.pt2").program
    assert not fuse.exists()


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("torch.ops.aten.from_file.default", [{"name": "filename", "arg": {"as_string": "/etc/passwd"}}]),
        ("torch.ops.aten.save.default", []),
        ("torch.ops.prim.Print.default", []),
        ("torch.ops.mylib.evil.default", []),
        ("torch.hub.load", [{"name": "repo", "arg": {"as_string": "someone/else"}}]),
        ("_operator.attrgetter", [{"name": "a", "arg": {"as_string": "__class__"}}]),
        ("os.system", [{"name": "command", "arg": {"as_string": "true"}}]),
        ("torch.ops.higher_order.cond", []),
    ],
)
def test_operators_outside_the_list_are_refused_by_name(whole, target, arguments):
    def put(model: dict[str, Any]) -> None:
        model["graph_module"]["graph"]["nodes"][0] |= {"target": target, "inputs": arguments}

    with pytest.raises(GeneratorError, match=target.removeprefix("torch.ops.").strip("_")):
        read_archive(changed(whole, put), "evil.pt2")


def test_text_is_refused_where_an_operator_takes_none():
    call = Call(operator="aten.relu.default", arguments={"self": "/etc/passwd"}, results=["x"])
    with pytest.raises(UnknownOperator, match="is text"):
        Program(Graph(inputs=["z"], tensors={}, calls=[call], output="x"))


def test_no_operator_on_the_list_touches_files():
    for name in ALLOWED:
        packet = getattr(torch.ops.aten, name)
        for overload in packet.overloads():
            schema = getattr(packet, overload)._schema
            texts = {each.name for each in schema.arguments if "str" in str(each.type)}
            assert not texts & {"filename", "file", "path", "f"}, schema


def test_versions_that_are_not_known_name_those_that_are(whole):
    older = changed(whole, lambda model: model.update(schema_version={"major": 7}, torch_version="2.5.1"))
    with pytest.raises(
        GeneratorError, match=r"written by PyTorch 2\.5\.1 in schema 7.*PyTorch 2\.8 to 2\.15"
    ):
        read_archive(older, "g.pt2")
    files = entries(whole) | {"archive/archive_version": b"3"}
    with pytest.raises(GeneratorError, match="archive version 3, and 0 is the one known"):
        read_archive(packed(files), "g.pt2")
    with pytest.raises(GeneratorError, match=r"holds the entry data/aotinductor/model/a\.so"):
        read_archive(packed(entries(whole) | {"archive/data/aotinductor/model/a.so": b""}), "g.pt2")


def test_a_file_that_claims_more_than_it_holds_takes_no_memory(whole):
    def claim(config: dict[str, Any]) -> None:
        meta = next(iter(config["config"].values()))["tensor_meta"]
        meta |= {"sizes": [{"as_int": 10**11}], "strides": [{"as_int": 0}]}

    with pytest.raises(GeneratorError, match="100,000,000,000 values, and stores"):
        read_archive(changed(whole, claim, WEIGHTS), "g.pt2")


@FUZZ
@given(data=st.data())
def test_damaged_archives_are_programs_or_one_message(whole, data):
    documented(lambda: read_archive(data.draw(damaged(whole)), "g.pt2"))


@FUZZ
@given(data=st.data())
def test_altered_graphs_are_programs_or_one_message(whole, data):
    model = json.loads(entries(whole)[MODEL])
    files = entries(whole) | {MODEL: json.dumps(data.draw(altered(model))).encode()}
    documented(lambda: read_archive(packed(files), "g.pt2"))


def test_operators_that_this_torch_lacks_are_named():
    with pytest.raises(UnknownOperator, match=r"has no operator aten\.relu\.nothing"):
        operator_of("aten.relu.nothing")


def test_a_graph_must_make_what_it_uses():
    tensors = {"w": TensorInfo(shape=(2,), dtype="float32")}
    call = Call(operator="aten.relu.default", arguments={"self": {"value": "y"}}, results=["x"])
    with pytest.raises(ValueError, match="uses y, which nothing made before"):
        Program(Graph(inputs=["z"], tensors=tensors, calls=[call], output="x"))
    with pytest.raises(ValueError, match="not a type of tensors"):
        Program(Graph(inputs=["z"], tensors={"w": TensorInfo(shape=(2,), dtype="os")}, calls=[], output="z"))


def test_floats_follow_the_codes_precision():
    class Scaled(nn.Module):
        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            return codes.view(-1, 1, 2, 2) + torch.zeros(2, dtype=torch.float32)

    program = read_archive(exported(Scaled(), 4), "g.pt2").program.to(torch.bfloat16)
    assert program(torch.ones(3, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_factories_are_where_the_codes_are():
    class Grid(nn.Module):
        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            return codes.view(-1, 1, 2, 2) + torch.arange(2, device=codes.device)

    program = read_archive(exported(Grid(), 4), "g.pt2").program
    assert program(torch.ones(3, 4, device="meta")).device.type == "meta"


def test_a_programs_own_inputs_are_codes_and_labels(tmp_path):
    torch.manual_seed(0)
    network = strangers.Conditional().eval()
    given = (torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))
    sizes = ({0: torch.export.Dim.DYNAMIC}, {0: torch.export.Dim.DYNAMIC})
    torch.export.save(torch.export.export(network, given, dynamic_shapes=sizes), tmp_path / "c.pt2")
    source = open_source(str(tmp_path / "c.pt2"), output=0)
    with pytest.raises(GeneratorError, match="the program takes codes, y: name the input of class labels"):
        import_generator(source, ImportSettings(), Folder.at(tmp_path / "g"))
    with pytest.raises(GeneratorError, match="--fixed needs the network's code"):
        import_generator(source, ImportSettings(fixed={"y": 3}), Folder.at(tmp_path / "g"))
    settings = ImportSettings(labels="y", classes=4)
    imported = import_generator(source, settings, Folder.at(tmp_path / "g"))
    assert imported.card.generator.classes == 4
