"""Generators as ONNX graphs."""

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from preimage.errors import GeneratorError
from preimage.exporting.inputs import Images, examples
from preimage.extras import require
from preimage.importing.export import quiet
from preimage.importing.probe import first_line
from preimage.storage.folder import Folder


def serialize(generator: nn.Module, folder: Folder) -> bytes:
    """A graph from `codes`, and `labels` if the generator takes any, to `images`, with its weights in it.

    Raises GeneratorError if the packages for it are missing, or torch does not take the network.
    """
    for each in ("onnx", "onnxscript", "onnxruntime"):
        _package(each)
    given = examples(generator, 2)
    batch = tuple({0: torch.export.Dim("batch")} for _ in given)
    try:
        with quiet():
            program: Any = torch.onnx.export(
                generator,
                tuple(given.values()),
                dynamo=True,
                dynamic_shapes=batch,
                input_names=list(given),
                output_names=["images"],
                verbose=False,
            )
        return program.model_proto.SerializeToString()
    except Exception as error:  # tracing and translating raise many kinds
        raise GeneratorError(
            f"torch.onnx does not take the generator of {folder.uri}: {first_line(error)}"
        ) from error


def read(data: bytes) -> Images:
    """The graph in ONNX Runtime, on the CPU."""
    session = _package("onnxruntime").InferenceSession(data, providers=["CPUExecutionProvider"])

    def images(codes: Tensor, labels: Tensor | None) -> Tensor:
        given = {"codes": codes.numpy()} | ({} if labels is None else {"labels": labels.numpy()})
        return torch.from_numpy(session.run(["images"], given)[0])

    return images


def _package(name: str) -> Any:
    require("an export to ONNX", name, kind=GeneratorError)
    return import_module(name)
