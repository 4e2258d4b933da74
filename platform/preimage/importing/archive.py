"""Read what `torch.export.save` wrote, without running anything in it.

`torch.export.load` unpickles sample inputs and custom objects, and evaluates symbolic expressions and guards.
This reads the graph's JSON and the raw bytes of its tensors, and nothing else.
"""

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic_core import from_json
from torch import Tensor

from preimage.errors import GeneratorError
from preimage.importing.checked_forms import CHECKED_FORMS
from preimage.models.operators import UnknownOperator, operator_of
from preimage.models.program import Call, Graph, Program, TensorInfo
from preimage.models.weights import MISFIT

ARCHIVE_VERSION, SCHEMA = "0", 8
"""Of the archive, and the major one of the graph's schema, in every PyTorch from 2.8 to 2.15."""
WEIGHTS, CONSTANTS = "data/weights", "data/constants"
CONFIGS = {WEIGHTS: "model_weights_config.json", CONSTANTS: "model_constants_config.json"}
UNREAD = ("data/sample_inputs/", "archive_format", ".data/", "extra/")
"""Entries that a program does not need. They are not opened."""
DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    12: "bool", 13: "bfloat16",
}  # fmt: skip
"""PyTorch's types by their numbers in the schema."""
MEMORY_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}
ASSERTIONS = ("torch.ops.aten._assert_", "torch.ops.aten.sym_constrain_range")
"""Operators that only check what torch.export assumed; they make nothing."""
MOST_COPIES = 32
"""Of an archive's bytes among its tensors, for layers may share weights."""
BROKEN = (zipfile.BadZipFile, struct.error, AttributeError, OSError, EOFError, MemoryError, *MISFIT)
"""What reading a damaged or foreign archive raises."""


class NotReadable(ValueError):
    """An archive with something in it that is not read; the message names it."""


@dataclass(frozen=True)
class Exported:
    """A program read from an archive."""

    program: Program
    code_shape: tuple[int, ...]
    """The shape of one code when it was exported."""
    torch_version: str
    batch: int | None = None
    """The number of codes that it was exported for; None: any."""


def read_archive(data: bytes, name: str, output: int = 0) -> Exported:
    """The program in a `.pt2` file's bytes. output: which of several outputs are the images.

    Raises GeneratorError, naming the version, entry or operator that is not read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive, output, len(data))
    except UnknownOperator as error:
        raise GeneratorError(f"{name} cannot be imported: {error}") from error
    except NotReadable as error:
        raise GeneratorError(
            f"{name} {error}. Export it again with torch.export.save of PyTorch 2.8 to 2.15"
        ) from error
    except BROKEN as error:
        raise GeneratorError(
            f"{name} is not an archive that torch.export.save wrote, or it is damaged "
            f"({type(error).__name__}: {error})"
        ) from error


def _read(archive: zipfile.ZipFile, output: int, size: int) -> Exported:
    files = _entries(archive, size)
    version = files.pop("archive_version", lambda: b"none")().decode().strip()
    if version != ARCHIVE_VERSION:
        raise NotReadable(f"has the archive version {version}, and {ARCHIVE_VERSION} is the one known")
    if files.pop("byteorder", lambda: b"little")().strip() != b"little":
        raise NotReadable("was written on a machine of another byte order")
    model = from_json(files.pop("models/model.json", lambda: b"null")())
    if not isinstance(model, dict):
        raise NotReadable("holds no models/model.json")
    if (schema := model["schema_version"]["major"]) != SCHEMA:
        made = model.get("torch_version", "another PyTorch")
        raise NotReadable(f"was written by PyTorch {made} in schema {schema}, and {SCHEMA} is the one known")
    stored = {place: _stored(files, place) for place in (WEIGHTS, CONSTANTS)}
    if files:
        raise NotReadable(f"holds the entry {min(files)}, which no program needs")
    return _exported(model, stored[WEIGHTS] | stored[CONSTANTS], output, MOST_COPIES * size)


def _entries(archive: zipfile.ZipFile, size: int) -> dict[str, Any]:
    """How to read each entry, by its name below the archive's root folder."""
    if sum(each.file_size for each in archive.infolist()) > size:  # torch compresses nothing
        raise NotReadable("is compressed, or claims to hold more bytes than it has")
    found = {}
    for each in archive.infolist():
        name = each.filename.partition("/")[2]
        if name in found:
            raise NotReadable(f"holds the entry {name} twice")
        if not name.startswith(UNREAD) and not each.is_dir():
            found[name] = lambda each=each: archive.read(each)
    return found


def _stored(files: dict[str, Any], place: str) -> dict[str, Tensor]:
    """The tensors of one kind by their full names. Takes their entries from `files`."""
    config = from_json(files.pop(f"{place}/{CONFIGS[place]}", lambda: b'{"config": {}}')())["config"]
    tensors, read = {}, {}
    for name, about in config.items():
        if about["use_pickle"] or not about["tensor_meta"]:
            raise NotReadable(f"holds the pickled object {name!r}: nothing is unpickled here")
        path, meta = f"{place}/{about['path_name']}", about["tensor_meta"]
        dtype = getattr(torch, _known(DTYPES, meta["dtype"], "type of tensors"))
        if path not in read:  # layers may share their weights
            read[path] = bytearray(files[path]())
        values = torch.frombuffer(read[path], dtype=dtype)
        sizes, strides = ([each["as_int"] for each in meta[key]] for key in ("sizes", "strides"))
        if math.prod(sizes) > len(values):  # one stored number may stand for any number of them
            raise NotReadable(
                f"says that {name!r} has {math.prod(sizes):,} values, and stores {len(values):,}"
            )
        tensors[name] = values.as_strided(sizes, strides, meta["storage_offset"]["as_int"])
    for path in read:
        del files[path]
    return tensors


def _exported(
    model: Mapping[str, Any], stored: Mapping[str, Tensor], output: int, most_bytes: int
) -> Exported:
    graph, signature = model["graph_module"]["graph"], model["graph_module"]["signature"]
    inputs, tensors = [], {}
    for spec in signature["input_specs"]:
        kind, found = _only(spec)
        if kind == "user_input":
            inputs.append(_name_of(found["arg"]))
        elif kind in ("parameter", "buffer", "tensor_constant"):
            tensors[found["arg"]["name"]] = stored[found[f"{kind}_name"]]
        else:
            raise NotReadable(f"takes an input of the kind {kind!r}")
    results = [_only(spec) for spec in signature["output_specs"]]
    if changed := [kind for kind, _ in results if kind != "user_output"]:
        raise NotReadable(f"has a {changed[0]}: call .eval() on the network before you export it")
    if not 0 <= output < len(results):
        raise NotReadable(f"has {len(results)} outputs, and none has the number {output}")
    if sum(each.nbytes for each in tensors.values()) > most_bytes:
        raise NotReadable("says that one tensor is the weights of very many layers")
    whole = Graph(
        inputs=inputs,
        tensors={
            name: TensorInfo(shape=tuple(each.shape), dtype=str(each.dtype).removeprefix("torch."))
            for name, each in tensors.items()
        },
        calls=[
            call
            for node in graph["nodes"]
            if not node["target"].startswith(ASSERTIONS)
            for call in _calls(node)
        ],
        output=_name_of(results[output][1]["arg"]),
    )
    program = Program(whole)
    program.load_state_dict(tensors)
    batch, *sizes = graph["tensor_values"][inputs[0]]["sizes"]
    shape = tuple(each.get("as_int", 0) for each in sizes)
    made_by = model.get("torch_version", "unknown")
    return Exported(program.eval(), shape, made_by, batch.get("as_int"))


def _calls(node: Mapping[str, Any]) -> list[Call]:
    target = node["target"].removeprefix("torch.ops.")
    if target.startswith("_operator."):
        target = target.removeprefix("_")
    form = CHECKED_FORMS.get(target)
    if not form:
        operator_of(target)
    given = {each["name"] or f"argument_{i}": each["arg"] for i, each in enumerate(node["inputs"])}
    if target.startswith("aten.batch_norm") and given["training"].get("as_bool"):
        raise NotReadable("normalises by each batch's own statistics: call .eval() before you export it")
    arguments = {name: _argument(each, f"{name} of {target}") for name, each in given.items()}
    results = [name for each in node["outputs"] for name in _names_of(each)]
    if form:
        return form(arguments, results)
    kept = {name: each for name, each in arguments.items() if name not in ("layout", "pin_memory")}
    return [Call(operator=target, arguments=kept, results=results)]


def _argument(given: Mapping[str, Any], where: str) -> Any:
    """An argument of the archive's schema in the form that `Call` describes."""
    kind, value = _only(given)
    if kind == "as_none":
        return None
    if kind in ("as_int", "as_bool", "as_string", "as_ints", "as_bools"):
        return value
    if kind == "as_float":
        return _number(value)
    if kind == "as_floats":
        return [_number(each) for each in value]
    if kind in ("as_tensor", "as_optional_tensor", "as_sym_int", "as_sym_bool", "as_sym_float"):
        return _reference(value)
    if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints"):
        return [_reference(each) for each in value]
    if kind == "as_scalar_type":
        return {"dtype": _known(DTYPES, value, "type of tensors")}
    if kind == "as_memory_format":
        return {"memory_format": _known(MEMORY_FORMATS, value, "memory format")}
    if kind == "as_device":
        return {"device": "codes"}
    if kind == "as_layout":  # dense, as every tensor here
        return None
    raise NotReadable(f"has an argument of the kind {kind!r}, {where}")


def _reference(value: Mapping[str, Any]) -> Any:
    """A tensor's or a size's name, or the number that stands in its place."""
    if "name" in value:
        return {"value": value["name"]}
    kind, inner = _only(value)
    if kind == "as_name":
        return {"value": inner}
    if kind in ("as_tensor", "as_sym_int"):
        return _reference(inner)
    return _number(inner) if isinstance(inner, float) else None if kind == "as_none" else inner


def _number(value: Any) -> Any:
    """A float; the schema writes those that JSON lacks as text."""
    number = float(value)
    return number if math.isfinite(number) else {"number": str(number)}


def _names_of(result: Mapping[str, Any]) -> list[str]:
    kind, value = _only(result)
    if kind in ("as_tensors", "as_sym_ints"):
        return [each["name"] if "name" in each else each["as_name"] for each in value]
    return [] if kind == "as_none" else [_name_of(result)]


def _name_of(argument: Mapping[str, Any]) -> str:
    found = _reference(_only(argument)[1])
    if not isinstance(found, dict):
        raise NotReadable(f"has the constant {found!r} where a tensor is needed")
    return found["value"]


def _only(union: Mapping[str, Any]) -> tuple[str, Any]:
    """The kind and the value of one of the schema's unions."""
    ((kind, value),) = union.items()
    return kind, value


def _known(names: Mapping[int, str], number: int, what: str) -> str:
    if number not in names:
        raise NotReadable(f"has a {what} of the number {number}, which is not known")
    return names[number]
