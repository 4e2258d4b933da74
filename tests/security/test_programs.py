"""Networks of strangers, as programs: they compute, and nothing else; or one message."""

import io
import json
import zipfile

import pytest
import torch
from hypothesis import given
from torch import nn

import strangers
from preimage import save_generator
from preimage.errors import GeneratorError, ProgramError
from preimage.importing.archive import read_archive
from preimage.importing.importer import import_generator
from preimage.importing.settings import ImportSettings
from preimage.importing.sources import open_source
from preimage.importing.weights_file import load_into, read_weights
from preimage.models.dry_run import dry_run
from preimage.models.from_code import build_from_code
from preimage.models.generator_folder import load_generator
from preimage.models.imported import attribute
from preimage.models.operators import UnknownOperator, operator_of
from preimage.models.program import Call, Graph, Program, TensorInfo
from preimage.named_code import naming, require_named
from preimage.storage.folder import Folder, digest
from security.mutations import FUZZ, altered, damaged, documented, memory_within

Z, W = {"value": "z"}, {"value": "w"}


def program(*calls: Call, output: str = "x", tensors: tuple[str, ...] = ("w",)) -> Graph:
    """Of codes z (n, 4) and weights w (4,)."""
    infos = {name: TensorInfo(shape=(4,), dtype="float32") for name in tensors}
    return Graph(inputs=["z"], tensors=infos, calls=list(calls), output=output)


def call(operator: str, *results: str, **arguments) -> Call:
    return Call(operator=operator, arguments=arguments, results=list(results or ("x",)))


def refused(graph: Graph, said: str) -> None:
    with pytest.raises((ValueError, ProgramError), match=said):
        dry_run(graph, [torch.zeros(2, 4)])


@pytest.mark.parametrize(
    "made",
    [
        call("aten._to_copy.default", self=Z, memory_format=4),
        call("aten.zeros_like.default", self=Z, dtype=160),
        call("aten.zeros_like.default", self=Z, layout=3),
        call("aten.view.dtype", self=Z, dtype=-1),
        call("aten._to_copy.default", self=Z, memory_format={"dtype": "float32"}),
    ],
)
def test_numbers_that_stand_for_types_are_refused(made):
    """PyTorch looks them up without a check, and ends the process."""
    refused(program(made), "the argument .* is")
    size = call("aten.sym_size.int", "n", self=Z, dim=0)
    name = next(iter(made.arguments.keys() - {"self"}))
    hidden = call(made.operator, **made.arguments | {name: {"value": "n"}})
    refused(program(size, hidden), "the argument .* is")


@pytest.mark.parametrize(
    "name",
    [
        *("aten.remainder.int", "aten.mul.left_t", "aten.add.str", "aten.sort.str", "aten.to.prim_Device"),
        *("aten.relu.out", "aten._softmax.out", "aten.set_.default", "aten.resize_.default"),
        *("operator.getitem", "aten._weight_norm.default"),
        "aten._native_batch_norm_legit_no_training.default",
    ],
)
def test_operators_on_lists_into_given_tensors_or_without_checks_are_refused(name):
    with pytest.raises(UnknownOperator):
        operator_of(name)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (call("aten.zeros.default", size=[1 << 40], device=None), "1,099,511,627,776 values at once"),
        (call("aten.arange.default", end=1e15), "values at once"),
        (call("aten.repeat.default", self=Z, repeats=[1 << 20, 1 << 20]), "values at once"),
        (call("aten.upsample_nearest1d.default", self=W, output_size=[1 << 60]), "imported network"),
        (call("aten.one_hot.default", self=Z, num_classes=-1), "imported network"),
        (call("operator.mul", a=[1, 2], b=1 << 40), "takes numbers"),
        (call("operator.mod", mode="%999999999d", b=1), "takes numbers"),
        (call("operator.mul", a=1 << 62, b=4), "more than 64 bits"),
        (call("aten.relu.default", "x", "forward", self=Z), "zip"),
        (call("aten.chunk.default", "x", self=Z, chunks=2), "zip"),
        (call("aten.sym_size.int", self=Z, dim=0), "makes a int"),
    ],
)
def test_what_cannot_run_or_would_take_any_memory_is_refused_before_it_runs(made, said):
    dry_run(
        program(call("aten.relu.default", self=Z)), [torch.zeros(2, 4)]
    )  # imports what torch needs for it
    with memory_within(50):
        refused(program(made), said)


def test_a_division_that_the_processor_refuses_is_not_run():
    refused(program(call("aten.div.Tensor_mode", self=Z, other=W, rounding_mode="trunc")), "is text, 'trunc'")


@pytest.mark.parametrize("name", ["forward", "graph", "training", "_steps", "_in_place", "a.b", ""])
def test_tensors_and_results_under_the_modules_own_names_are_only_names(name):
    refused(program(call("aten.relu.default", self={"value": name}), tensors=(name,)), ".")
    refused(program(call("aten.relu.default", self=Z), output=name), "nothing makes the output")
    given = call("aten.relu.default", name, self=Z)
    graph = program(given, call("aten.neg.default", self={"value": name}))
    codes = torch.tensor([[1.0, -1, 2, 0]])
    assert torch.equal(Program(graph)(codes), -codes.relu())


@pytest.mark.parametrize("kind", ["complex64", "float", "qint8", "bits8", "Tensor", "ops", "__dict__"])
def test_other_types_of_tensors_are_refused(kind):
    with pytest.raises(ValueError, match="is not a type of tensors"):
        Program(Graph(inputs=["z"], tensors={"w": TensorInfo(shape=(2,), dtype=kind)}, calls=[], output="z"))


@pytest.mark.parametrize(
    "calls",
    [
        [call("aten.add_.Tensor", self=W, other=1)],
        [call("aten.detach.default", "y", self=W), call("aten.relu_.default", self={"value": "y"})],
        [call("aten.slice.Tensor", "y", self=W, end=1), call("aten.zero_.default", self={"value": "y"})],
        [call("aten.unsqueeze_.default", self=W, dim=0)],
        [call("aten.view.default", "y", self=W, size=[4]), call("aten.neg_.default", self={"value": "y"})],
    ],
)
def test_a_program_that_changes_its_weights_is_refused(calls):
    refused(program(*calls), "changes its own weights")


def test_a_program_that_changes_its_codes_changes_a_copy():
    graph, codes = program(call("aten.add_.Tensor", self=Z, other=1)), torch.zeros(2, 4)
    assert torch.equal(Program(graph)(codes), torch.ones(2, 4))
    assert torch.equal(codes, torch.zeros(2, 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Folder:
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("generator")
    save_generator(strangers.Conv(), place, code_shape=(6, 1, 1))
    return Folder.at(place)


def vouched(folder: Folder, place, data: bytes) -> Folder:
    """A copy of the folder, with another program that its card vouches for."""
    copy = Folder.at(place)
    card = folder.read_json("config.json")
    copy.write("weights.safetensors", folder.read("weights.safetensors"))
    copy.write("program.json", data)
    copy.write_json("config.json", card | {"program_sha256": digest(data)})
    return copy


def test_any_program_that_a_card_vouches_for(folder, tmp_path):
    graph, codes = folder.read_json("program.json"), torch.zeros(2, 6)

    @FUZZ
    @given(altered(graph))
    def changed(value):
        text = json.dumps(value).encode("utf-8", "surrogatepass")
        if found := documented(lambda: load_generator(vouched(folder, tmp_path, text))[0]):
            made = documented(lambda: found(codes))
            assert made is None or made.shape == (2, 1, 8, 8)

    changed()


def test_any_bytes_of_a_program(folder, tmp_path):
    @FUZZ
    @given(damaged(folder.read("program.json")))
    def changed(data):
        documented(lambda: load_generator(vouched(folder, tmp_path, data)))

    changed()
    for deep in (b"[" * 100_000, b'{"calls":' * 100_000, b'{"inputs": ["\\ud800"]}'):
        assert documented(lambda data=deep: load_generator(vouched(folder, tmp_path, data))) is None


def test_a_card_that_claims_codes_of_any_size_takes_no_memory(folder, tmp_path):
    copy = vouched(folder, tmp_path, folder.read("program.json"))
    card = copy.read_json("config.json")
    for claim in ({"latent_dim": 10**11, "code_shape": None}, {"classes": 10**11, "class_input": "one-hot"}):
        copy.write_json("config.json", card | {"generator": card["generator"] | claim})
        with memory_within(50), pytest.raises(GeneratorError, match="does not fit"):
            load_generator(copy)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> dict[str, bytes]:
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("archive") / "conv.pt2"
    sizes = ({0: torch.export.Dim.DYNAMIC},)
    torch.export.save(
        torch.export.export(strangers.Conv().eval(), (torch.zeros(2, 6, 1, 1),), dynamic_shapes=sizes), place
    )
    with zipfile.ZipFile(place) as found:
        return {name.partition("/")[2]: found.read(name) for name in found.namelist()}


def zipped(entries: list[tuple[str, bytes]], how: int = zipfile.ZIP_STORED) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", how) as made:
        for name, data in entries:
            made.writestr(name, data)
    return kept.getvalue()


def under(files: dict[str, bytes], root: str = "a/") -> list[tuple[str, bytes]]:
    return [(root + name, data) for name, data in files.items()]


def test_archives_that_are_not_as_torch_writes_them_are_refused(archive):
    model = archive["models/model.json"]
    assert read_archive(zipped(under(archive)), "g.pt2").program
    for entries, said in [
        ([*under(archive), ("b/models/model.json", model)], "models/model.json twice"),
        ([*under(archive), ("a/models/other.json", model)], "the entry models/other.json"),
        ([*under(archive), ("/etc/passwd", b"")], "the entry etc/passwd"),
        ([*under(archive), ("a/../../outside", b"")], r"the entry \.\./\.\./outside"),
        (under(archive | {"byteorder": b"big"}), "another byte order"),
        (under(archive | {"models/model.json": b"[" * 100_000}), "recursion"),
        (under(archive | {"models/model.json": model.replace(b'"relu_"', b'"\\ud800"')}), "hex escape"),
    ]:
        with pytest.raises(GeneratorError, match=said):
            read_archive(zipped(entries), "g.pt2")


def test_a_small_archive_takes_little_memory(archive):
    config = json.loads(archive["data/weights/model_weights_config.json"])
    bomb = archive | {"data/weights/weight_0": bytes(64 << 20)}
    packed = zipped(under(bomb), zipfile.ZIP_DEFLATED)
    with memory_within(30), pytest.raises(GeneratorError, match="compressed, or claims"):
        read_archive(packed, "g.pt2")
    model, (name, about) = json.loads(archive["models/model.json"]), next(iter(config["config"].items()))
    about["tensor_meta"] |= {key: [{"as_int": each}] for key, each in (("sizes", 1 << 20), ("strides", 1))}
    about["path_name"] = "shared"
    signature, spec = model["graph_module"]["signature"]["input_specs"], "parameter"
    for i in range(100):
        config["config"][f"{name}{i}"] = about
        signature.append({spec: {"arg": {"name": f"copy{i}"}, f"{spec}_name": f"{name}{i}"}})
    config["config"][name] = about
    files = {key: each for key, each in archive.items() if key != "data/weights/weight_0"} | {
        "data/weights/shared": bytes(4 << 20),
        "data/weights/model_weights_config.json": json.dumps(config).encode(),
        "models/model.json": json.dumps(model).encode(),
    }
    data = zipped(under(files))
    with memory_within(60), pytest.raises(GeneratorError, match="the weights of very many layers"):
        read_archive(data, "g.pt2")


def test_a_program_of_any_size_takes_no_memory_when_it_is_imported(archive, tmp_path):
    model = json.loads(archive["models/model.json"])
    node = model["graph_module"]["graph"]["nodes"][-1]
    node["target"] = "torch.ops.aten.repeat.default"
    node["inputs"] = [
        node["inputs"][0],
        {"name": "repeats", "arg": {"as_ints": [1, 1 << 30, 1 << 10, 1]}, "kind": 1},
    ]
    (tmp_path / "g.pt2").write_bytes(
        zipped(under(archive | {"models/model.json": json.dumps(model).encode()}))
    )
    source = open_source(str(tmp_path / "g.pt2"))
    with memory_within(50), pytest.raises(GeneratorError, match="values at once"):
        import_generator(source, ImportSettings(), Folder.at(tmp_path / "g"))


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize("kind", ["meta", "sparse", "complex"])
def test_weights_that_are_not_plain_are_refused(tmp_path, kind):
    odd = torch.ones(2, 3)
    odd = {"meta": odd.to("meta"), "sparse": odd.to_sparse(), "complex": odd + 0j}[kind]
    torch.save({"weight": odd, "bias": torch.ones(2)}, tmp_path / "w.pth")
    with pytest.raises(GeneratorError, match="holds weight as a tensor that is not plain"):
        load_into(nn.Linear(3, 2), read_weights(tmp_path / "w.pth"), None, "w.pth")


def test_a_named_module_names_neither_its_neighbours_nor_what_it_imports(tmp_path, monkeypatch):
    for name in ("mine", "mine2"):
        (tmp_path / f"{name}.py").write_text("from os import system\nfrom torch import load\n")
    monkeypatch.syspath_prepend(tmp_path)
    fuse = tmp_path / "went-off"
    with naming(["mine"]):
        for target in ("mine2:Net", "min:Net", "__main__:Net", "os:system", "minex.mine:Net"):
            with pytest.raises(GeneratorError, match="does not name"):
                require_named(target, "a folder")
        require_named("mine.nets:Net", "a folder")
    for name, settings in (("system", {"command": f"touch {fuse}"}), ("load", {"f": str(fuse)})):
        with pytest.raises(GeneratorError, match=f"mine only imports {name} from "):
            build_from_code(f"mine:{name}", settings)
    assert not fuse.exists()


def test_a_card_reaches_no_private_part_of_a_network():
    for path in ("__init__.__globals__", "__class__", "_modules", "forward.__func__"):
        with pytest.raises(GeneratorError, match="the network has no"):
            attribute(strangers.mlp(), path)
