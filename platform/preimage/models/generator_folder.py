"""A generator on disk: `config.json`, `weights.safetensors`, `program.json` for one that was imported, and
the folder `prior` for a fitted one. Nothing is ever unpickled."""

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from preimage.config import mistakes_in
from preimage.errors import GeneratorError
from preimage.latents.prior_kinds import FittedPrior
from preimage.latents.priors import PRIORS, Prior, make_prior
from preimage.models.build import build_generator
from preimage.models.cards import (
    CONFIG,
    PRIOR,
    WEIGHTS,
    GeneratorCard,
    read_card,
    read_prior_card,
)
from preimage.models.config import ImportedConfig
from preimage.models.dry_run import dry_run
from preimage.models.imported import ImportedGenerator, code_network
from preimage.models.prior_folder import load_fitted, save_prior
from preimage.models.program import PROGRAM, Graph, Program
from preimage.models.weights import MISFIT, fill_weights, load_weights, packed
from preimage.named_code import naming, require_named
from preimage.storage import formats
from preimage.storage.folder import Folder, digest


def write_generator(
    generator: nn.Module,
    folder: Folder | str | Path,
    training: dict[str, Any],
    prior: FittedPrior | None = None,
) -> GeneratorCard:
    """Write a generator folder; config.json comes last, so a folder that has it is complete.

    generator: a module whose `config` is a GeneratorConfig. prior: the fitted prior, if its config says so.
    """
    folder = Folder.at(folder)
    fitted = save_prior(prior, folder / PRIOR, training) if prior else None
    card, weights, program = describe(generator, fitted.fingerprint if fitted else None, training)
    folder.write(WEIGHTS, weights)
    if program:
        folder.write(PROGRAM, program)
    folder.write_json(CONFIG, card.stamped())
    return card


def describe(
    generator: nn.Module, prior_fingerprint: str | None, training: dict[str, Any]
) -> tuple[GeneratorCard, bytes, bytes | None]:
    """A generator's card, and the content of its folder's files: weights, and a program if it is one."""
    weights, network = packed(generator.state_dict()), getattr(generator, "network", None)
    program = network.graph.model_dump_json().encode() if isinstance(network, Program) else None
    card = GeneratorCard(
        generator=generator.config,  # pyright: ignore[reportArgumentType]
        weights_sha256=digest(weights),
        program_sha256=digest(program) if program else None,
        prior_fingerprint=prior_fingerprint,
        training=training,
    )
    return card, weights, program


def load_generator(
    folder: Folder | str | Path, code: str | Sequence[str] = ()
) -> tuple[nn.Module, GeneratorCard]:
    """A generator in eval mode, on the CPU, and its card.

    code: modules whose code may build it, such as mypkg.nets, besides those that `named_code` gives.
    Raises GeneratorError if the folder is incomplete or altered, its weights have another shape, or its code
    is not named.
    """
    folder = Folder.at(folder)
    card = read_card(folder)
    about = card.generator
    if isinstance(about, ImportedConfig) and about.code:
        with naming(code):
            require_named(about.code.target, folder.uri)
        generator = ImportedGenerator(about, code_network(about.code))
        return fill_weights(generator, folder, card.weights_sha256, GeneratorError), card
    build = partial(build_generator, about)
    if isinstance(about, ImportedConfig):
        graph = _read_graph(folder, card)
        _require_runs(graph, about, folder)
        build = lambda: ImportedGenerator(about, Program(graph))  # noqa: E731
    return load_weights(build, folder, card.weights_sha256, GeneratorError), card


def _read_graph(folder: Folder, card: GeneratorCard) -> Graph:
    """The program of a stranger's network. Raises GeneratorError if it is missing or altered, FormatError if
    it is of another format."""
    data = folder.find(PROGRAM) or b""
    if digest(data) != card.program_sha256:
        raise GeneratorError(f"{folder / PROGRAM} is missing or altered: copy the generator again")
    try:
        return Graph.model_validate_json(data)
    except ValidationError as error:
        with suppress(ValueError, RecursionError):
            maker = formats.GENERATOR.said(folder.read_json(CONFIG))[1]
            formats.PROGRAM.require(json.loads(data), folder / PROGRAM, maker)
        raise GeneratorError(f"{folder / PROGRAM} holds no program: {mistakes_in(error)}") from error


def _require_runs(graph: Graph, config: ImportedConfig, folder: Folder) -> None:
    """Raises GeneratorError unless a network makes images of two codes, as far as shapes tell."""
    try:
        with torch.device("meta"):
            labels = torch.zeros(2, dtype=torch.int64) if config.classes else None
            given = ImportedGenerator(config, nn.Identity()).inputs(torch.zeros(2, config.latent_dim), labels)
        dry_run(graph, given).reshape(2, *config.shape)
    except MISFIT as error:
        raise GeneratorError(f"{folder / PROGRAM} does not fit {CONFIG}: {error}") from error


def load_prior(folder: Folder | str | Path, card: GeneratorCard) -> Prior:
    """The prior of a generator's codes. Raises GeneratorError or PriorError if a fitted one is missing or
    altered."""
    folder, about = Folder.at(folder), card.generator
    if about.prior in PRIORS:
        return make_prior(about.prior, about.latent_dim)
    beside = folder / PRIOR
    found = read_prior_card(beside)
    if (found.fingerprint, found.latent_dim) != (card.prior_fingerprint, about.latent_dim):
        raise GeneratorError(f"{beside.uri} is not the prior that {folder / CONFIG} expects: copy both again")
    return load_fitted(beside)
