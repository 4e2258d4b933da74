"""The ledger of what is reproduced: python -m reproduction record RUN ... | build."""

import argparse
import sys
from pathlib import Path

from preimage.errors import PreimageError
from preimage.pipelines.inputs import find_run
from preimage.storage.address import results_root
from preimage.storage.folder import Folder

from .page import build
from .record import record
from .records import read_all, write

DOCS = Path("docs")


def main() -> None:
    options = _options()
    try:
        options.command(options)
    except PreimageError as error:
        sys.exit(str(error))


def _record(options: argparse.Namespace) -> None:
    results = [each.removeprefix("results=") for each in options.runs if each.startswith("results=")]
    names = [each for each in options.runs if not each.startswith("results=")]
    root = Folder.at(results_root(options.results or next(iter(results), None)))
    if options.name and len(names) != 1:
        raise PreimageError(f"--as names one run, but there are {len(names)}: record them one by one")
    for name in names:
        if not (run := find_run(name, root / "runs")):
            raise PreimageError(
                f"{name!r} is not a run under {root.uri}: give its folder, or --results FOLDER"
            )
        before = read_all(DOCS / "reproduction")
        path = write(DOCS / "reproduction", options.name, record(run))
        old = before.get(path.stem)
        print(path, f"(it replaces the run {old.run})" if old and old.run != run.name else "")


def _build(options: argparse.Namespace) -> None:
    (DOCS / "reproduction.md").write_text(build(DOCS / "reproduction"))
    print(DOCS / "reproduction.md")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m reproduction", description=__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("record", help="write finished runs to docs/reproduction/NAME.json")
    one.add_argument("runs", nargs="+", metavar="RUN", help="a run's name under the results, or its folder")
    one.add_argument("--as", dest="name", metavar="NAME", help="the record's name; default: the run's own")
    one.add_argument("--results", metavar="FOLDER", help="where the runs are; or results=FOLDER")
    one.set_defaults(command=_record)
    other = commands.add_parser("build", help="write docs/reproduction.md from the claims and the records")
    other.set_defaults(command=_build)
    return parser.parse_args()


if __name__ == "__main__":
    main()
