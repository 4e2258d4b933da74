"""The verbs of `generator`."""

from typing import Annotated

import typer
from rich.console import Console

from preimage.cli import complete, generator_import
from preimage.cli.options import RootOption, root_folder
from preimage.cli.run import Code
from preimage.cli.screen import line, table

app = typer.Typer(no_args_is_help=True, help="Import generators, show them, and export them.")
app.command("import")(generator_import.import_)

GeneratorArgument = Annotated[
    str,
    typer.Argument(
        help="A generator's folder, its run's name, or a model in MLflow such as models:/NAME/1.",
        metavar="GENERATOR",
        autocompletion=complete.generators,
    ),
]


@app.command()
def show(
    generator: GeneratorArgument,
    results: RootOption = None,
) -> None:
    """Show what a generator is: its codes, its images, and where it comes from.

    Example: preimage generator show results/generators/decoder
    """
    from preimage.models.generator_folder import load_generator
    from preimage.pipelines.inputs import find_product
    from preimage.runs.metrics import flatten

    found = find_product(generator, "generator", root_folder(results) / "runs")
    code = getattr(found.card.generator, "code", None)
    if not code:
        load_generator(found.folder)  # raises if it is incomplete or altered
    facts = flatten(found.card.model_dump(mode="json", exclude_none=True))
    table(Console(), ((name, str(value)) for name, value in facts.items()), ("fact", "value"))
    if code:
        print(f"commands that take it need --code {code.target.partition(':')[0]}")


@app.command()
def export(
    generator: GeneratorArgument,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="pt2, a program that torch.export.load takes; onnx; or safetensors, the weights with "
            "config.json as metadata. Default: the suffix of --output.",
            metavar="FORMAT",
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="The file to write. Default: generator.FORMAT.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")] = False,
    results: RootOption = None,
    code: Code = None,
) -> None:
    """Write a generator as one file that other programs read.

    The file is read back first, and its images are compared with the
    generator's: equal for pt2 and safetensors, within 1e-5 for onnx.

    Example: preimage generator export train-gan-4aed476f8e --format onnx
    """
    from preimage.errors import SpecError
    from preimage.exporting.exporter import has_prior
    from preimage.library.export import export_generator
    from preimage.library.opened import find_generator

    if not (kind or output):
        raise SpecError("which format? Say --format pt2, onnx or safetensors, or name the file with --output")
    console = Console()
    folder = find_generator(generator, results)
    with console.status("exporting and comparing"):
        file = export_generator(folder, output or f"generator.{kind}", kind, force=force, code=code or [])
    same = f"equal within {file.difference:.1g} of a range of 2" if file.difference else "equal bit for bit"
    line(console, f"{file.path}, {file.size / 1e6:,.1f} MB: of 1 and 5 codes, its images are {same}")
    if has_prior(folder):
        line(console, f"the fitted prior of its codes stays in {folder / 'prior'}")
