"""A network as a program, by way of torch.export."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import torch
from torch import Tensor, nn

from preimage.errors import GeneratorError
from preimage.importing.archive import read_archive
from preimage.models.dry_run import dry_run
from preimage.models.program import Program


class NotExportable(Exception):
    """A network that torch.export does not take; the message says why, in one line."""


def export_program(network: nn.Module, inputs: tuple[Tensor, ...]) -> Program:
    """The program of a network. inputs: an example of each, (2, ...); any number of rows may follow.

    Raises NotExportable.
    """
    try:
        program = read_archive(archive_of(network, inputs), "the network").program
        dry_run(program.graph, inputs)
        return program
    except GeneratorError as error:
        raise NotExportable(str(error)) from error


def archive_of(network: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    """The `.pt2` file of a network, as torch.export.save writes it. Inputs and errors as above."""
    sizes = tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs)
    kept = io.BytesIO()
    try:
        with quiet():
            exported = torch.export.export(network, inputs, dynamic_shapes=sizes, strict=False)
            torch.export.save(exported, kept)
        return kept.getvalue()
    except Exception as error:  # tracing runs the user's code, which may raise anything
        if "Constraints violated" in str(error):
            raise NotExportable(
                "it fixes the number of codes in a batch, as len(codes) does: codes.shape[0] does not"
            ) from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
        raise NotExportable(f"{type(error).__name__}: {lines[0][:300]}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch.export logs and prints: what matters of it is raised."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
