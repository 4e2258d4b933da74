"""What the pages tell a reader to type, and where their links lead."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
from website.outside import ROOT, prose, targets
from website.uses import shipped_specs

import preimage
from preimage.cli.main import app
from preimage.specs.load import loads, read
from preimage.specs.study import is_study, loads_study

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks" / "README.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
HTML = re.compile(r'\s(?:src|href)="([^"#:]+)["#]')
STAND_INS = {"TRIAL": "3", "[KIND]...": "checkpoints"}
"""Values of the right type for what a page leaves to the reader."""
ON_PURPOSE = "train.model.base_chanels=8"
"""A mistake that a page invites its reader to make."""
SPECS = {name: path for path in shipped_specs() for name in (path.stem, str(path.relative_to(ROOT)))}
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@by_page
def test_every_command_is_one(page: Path):
    for words in commands(page.read_text()):
        parsed(words[1:])


@by_page
def test_every_spec_takes_its_overrides(page: Path):
    for words in commands(page.read_text()):
        verb, given = parsed(words[1:])
        if ON_PURPOSE in words:
            continue
        if verb in ("run", "plan", "submit") and (spec := given.get("spec")) in SPECS:
            load(SPECS[spec], given.get("profile"), tuple(given.get("changes") or ()))


@by_page
def test_every_file_that_a_page_links_to_is_there(page: Path):
    text, path = page.read_text(), str(page.relative_to(ROOT))
    pictures = [(page.parent / each).relative_to(ROOT) for each in HTML.findall(prose(text))]
    missing = [each for each in [*targets(text, path), *pictures] if not (ROOT / each).exists()]
    assert not missing


@by_page
def test_every_python_example_parses_and_names_what_there_is(page: Path):
    for language, code in BLOCK.findall(page.read_text()):
        if language == "python":
            named = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)]
            used = {each.attr for each in named if getattr(each.value, "id", "") in ("pi", "preimage")}
            assert used <= {*preimage.__all__}


def commands(markdown: str) -> Iterator[list[str]]:
    """The words of every `preimage ...` in blocks of shell commands and between backticks."""
    blocks = [code for language, code in BLOCK.findall(markdown) if language == "sh"]
    lines = [line for code in blocks for line in code.replace("\\\n", " ").splitlines()]
    between = re.findall(r"`(preimage [^`]+)`", prose(markdown).replace("\n", " "))
    for line in [*_whole(lines), *between]:
        words = shlex.split(line, comments=True)
        if words[:1] == ["preimage"]:
            yield words[: next((at for at, word in enumerate(words) if word in ("|", ">", "&", "&&")), None)]


def _whole(lines: list[str]) -> Iterator[str]:
    """Lines of a shell, each with those that continue its quoted text."""
    begun = ""
    for line in lines:
        begun += line
        if begun.split(" #")[0].count("'") % 2 == 0:
            yield begun
            begun = ""


@cache
def whole() -> Any:
    """Building all verbs takes a tenth of a second."""
    return typer.main.get_command(app)


@cache
def load(path: Path, profile: str | None, changes: tuple[str, ...]) -> None:
    """Check a spec against the schema. Raises SpecError."""
    written = read(path)
    loader = loads_study if is_study(written, str(path)) else loads
    loader(written, str(path), path.stem, profile, list(changes))


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The verb, and what it is given. Raises a usage error for an option or a verb that does not exist."""
    command: Any = whole()
    rest = [STAND_INS.get(word, word) for word in words]
    while hasattr(command, "commands") and rest:
        if rest[0].startswith("-"):
            break
        command = command.commands[rest[0]]
        rest = rest[1:]
    if not rest or hasattr(command, "commands"):
        return command.name or "", {}
    if rest[-1].startswith("--"):  # a page that speaks of an option seldom gives it a value
        assert rest.pop() in {name for each in command.params for name in each.opts}
    return command.name or "", command.make_context(command.name, rest).params
