"""The verb `generator import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from preimage.cli.options import RootOption, root_folder
from preimage.cli.screen import commands, line

if TYPE_CHECKING:
    from preimage.importing.importer import Imported
    from preimage.importing.settings import ImportSettings

CODES, IMAGES, INPUTS = "Its codes", "Its images", "Its other inputs and outputs"


def import_(
    what: Annotated[
        str,
        typer.Argument(
            help="A class, function or network in Python code, mypkg.nets:Decoder; a .pt2 file that "
            "torch.export.save wrote; or the folder of a diffusers autoencoder.",
            metavar="NETWORK",
        ),
    ],
    weights: Annotated[
        Path | None,
        typer.Option(help="Its weights: .safetensors, or .pth, .pt or .ckpt, of which nothing is unpickled."),
    ] = None,
    weights_key: Annotated[
        str | None, typer.Option(help="Which of several state dicts in that file, such as ema.generator.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="An argument of the class or function, such as width=64; repeatable."),
    ] = None,
    latent_dim: Annotated[
        int | None, typer.Option(help="Components of a code.", rich_help_panel=CODES)
    ] = None,
    code_shape: Annotated[
        str | None,
        typer.Option(help="The shape of one code, such as 64,1,1 or 4,8,8.", rich_help_panel=CODES),
    ] = None,
    prior: Annotated[
        str,
        typer.Option(
            help="Codes were drawn from: normal, N(0, I); uniform, on [-1, 1]^d; or a fitted prior's folder.",
            rich_help_panel=CODES,
        ),
    ] = "normal",
    call: Annotated[
        str | None,
        typer.Option(
            help="The method or part that maps codes to images, such as synthesis.", rich_help_panel=CODES
        ),
    ] = None,
    prior_through: Annotated[
        str | None,
        typer.Option(
            help="A method or part such as mapping, which takes codes of the prior to those of --call: a "
            "Gaussian is fitted to 65,536 of them.",
            rich_help_panel=CODES,
        ),
    ] = None,
    mapping_dim: Annotated[
        int | None,
        typer.Option(
            help="Components that --prior-through takes, if it is another number.", rich_help_panel=CODES
        ),
    ] = None,
    space: Annotated[
        str, typer.Option(help="The latent space's name, if the network has several.", rich_help_panel=CODES)
    ] = "z",
    image_range: Annotated[
        str,
        typer.Option("--range", help="Its values of black and white, such as 0..1.", rich_help_panel=IMAGES),
    ] = "-1..1",
    check_range: Annotated[
        bool,
        typer.Option(help="Refuse a network whose values do not fit --range.", rich_help_panel=IMAGES),
    ] = True,
    image_shape: Annotated[
        str | None,
        typer.Option(
            help="Channels, height and width, if it makes another shape, such as 1,28,28 for (n, 784).",
            rich_help_panel=IMAGES,
        ),
    ] = None,
    take: Annotated[
        str | None,
        typer.Option(
            help="Which of several outputs are the images: a number, or a name.", rich_help_panel=INPUTS
        ),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option(
            help="A further input, the same for every code, such as labels=7 (a class label) or "
            "style=[0,1,0] (a vector); repeatable.",
            rich_help_panel=INPUTS,
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="The input that takes each image's own class label.", rich_help_panel=INPUTS),
    ] = None,
    classes: Annotated[
        int, typer.Option(help="The number of classes, with --labels.", rich_help_panel=INPUTS)
    ] = 0,
    one_hot: Annotated[
        bool, typer.Option("--one-hot", help="Labels are vectors, not numbers.", rich_help_panel=INPUTS)
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            help="The folder to write. Default: generators/NAME under the results.", metavar="FOLDER"
        ),
    ] = None,
    results: RootOption = None,
) -> None:
    """Try a network, and write it as a generator folder that every job takes.

    It is stored as a program of PyTorch operators wherever torch.export takes
    it: the folder then needs none of its code. Otherwise its code runs only in
    commands that name it, with --code.

    Examples:

    preimage generator import mypkg.nets:Decoder --weights w.safetensors
    --set width=64 --latent-dim 64 --range 0..1 --image-shape 1,28,28

    preimage generator import decoder.pt2 --range 0..1
    """
    from preimage.importing.importer import import_generator
    from preimage.importing.sources import open_source
    from preimage.runs.products import PRODUCTS
    from preimage.storage.folder import Folder

    said = _checked(
        {
            "latent_dim": latent_dim,
            "code_shape": _numbers(code_shape, "--code-shape"),
            "prior": prior,
            "prior_through": prior_through,
            "mapping_dim": mapping_dim,
            "space": space,
            "call": call,
            "image_range": _range(image_range),
            "check_range": check_range,
            "image_shape": _numbers(image_shape, "--image-shape"),
            "fixed": _values(fixed, "--fixed"),
            "labels": labels,
            "classes": classes,
            "class_input": "one-hot" if one_hot else "index",
            "output": int(take) if take and take.isdigit() else take,
        }
    )
    console = Console()
    with console.status("trying the network"):
        number = said.output if isinstance(said.output, int) else None
        source = open_source(what, weights, weights_key, _values(settings, "--set"), number)
        place = root_folder(results) / str(PRODUCTS["generator"].imports)
        folder = Folder.at(output) if output else place / _name(source.name)
        imported = import_generator(source, said, folder)
    _show(console, imported, said, results)


def _checked(values: dict[str, Any]) -> "ImportSettings":
    from preimage.errors import SpecError
    from preimage.importing.settings import ImportSettings
    from preimage.specs.validation import check

    said, mistakes = check(ImportSettings, values)
    if not isinstance(said, ImportSettings):
        raise SpecError("; ".join(f"{'.'.join(map(str, place))} {what}".strip() for place, what in mistakes))
    return said


def _name(source: str) -> str:
    """A folder's name of a source's."""
    return source.rpartition(":")[2].removesuffix(".pt2").lower()


def _numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    from preimage.errors import SpecError

    if text is None:
        return None
    try:
        return tuple(int(each) for each in text.strip("()[]").split(",") if each)
    except ValueError:
        raise SpecError(f"{option} takes numbers between commas, such as 1,28,28, but got {text!r}") from None


def _range(text: str) -> tuple[float, float]:
    from preimage.errors import SpecError

    low, dots, high = text.partition("..")
    try:
        return float(low), float(high if dots else "?")
    except ValueError:
        raise SpecError(f"--range takes two numbers, such as 0..1, but got {text!r}") from None


def _values(texts: list[str] | None, option: str) -> dict[str, Any]:
    """Named values, written as in specs."""
    from preimage.errors import SpecError
    from preimage.storage.plain_yaml import load

    found: dict[str, Any] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not (equals and name.isidentifier()):
            raise SpecError(f"{option} takes NAME=VALUE, such as width=64, but got {text!r}")
        found[name] = load(value)
    return found


def _show(console: Console, imported: "Imported", said: "ImportSettings", results: str | None) -> None:
    from preimage.data.image_shape import shape_text
    from preimage.importing.probe import text_of
    from preimage.pipelines.next_steps import of_generator

    about, seen = imported.card.generator, imported.probe
    kind = "a program of PyTorch operators" if imported.card.program_sha256 else "weights, built by its code"
    lines = [
        f"codes    {about.latent_dim} components, prior {about.prior}",
        f"images   {shape_text(about.shape)}, values from {seen.lowest:.3g} to {seen.highest:.3g} in the "
        f"range {text_of(said.image_range)}",
        f"stored   as {kind}, in {imported.folder.uri}",
        *(f"note     {each}" for each in imported.notes),
    ]
    for each in lines:
        line(console, each)
    code = getattr(getattr(about, "code", None), "target", None)
    modules = (code.partition(":")[0],) if code else ()
    commands(console, of_generator(imported.folder, about.shape, modules, results))
