"""The words of a command line: what they may leave out, and one line for what is wrong with them."""

import re
from typing import Any

import typer

from preimage.specs.shipped import spec_file
from preimage.storage.address import command

USAGE_ERROR: Any = typer.BadParameter.__base__
"""What the parser raises for words that it cannot use; Typer exports only this subclass."""
PROFILE = ("--profile", "-p")
TAKE_PROFILES = ("run", "plan", "submit")


def completed(words: list[str]) -> list[str]:
    """The words with an empty value after a `--profile` that has none: the verb then lists the profiles."""
    if words[:1] and words[0] not in TAKE_PROFILES:
        return words
    made: list[str] = []
    for i, word in enumerate(words):
        following = words[i + 1 : i + 2]
        if word == "--":
            return [*made, *words[i:]]
        is_bare = word in PROFILE and (not following or following[0].startswith("-"))
        made.append("--profile=" if is_bare else word)
    return made


def mistake(error: Any) -> str:
    """One line of what is wrong with a command line, and where its options are described."""
    context, words = error.ctx, str(error.format_message()).strip().rstrip(".")
    if found := re.match(r"No such command '(.*?)'", words):
        if path := spec_file(found[1]):
            what = "a file" if str(path) == found[1] else "a spec"
            return f"{found[1]!r} is {what}, not a command: {command('preimage', 'run', found[1])}"
        words = words.replace(". Did you mean", ": did you mean")
    words = re.sub(r" \(Possible options: (.*)\)$", r": did you mean \1?", words)
    words = words.replace("No such option: ", "no such option ").replace("Value error, ", "")
    words = re.sub(r": Input (should .*?)(, unable to .*)?$", r": it \1", words)
    words = " ".join((words[:1].lower() + words[1:]).split())
    asked = _path(context) if context else "preimage"
    return f"{words}{'' if words.endswith('?') else '.'} See {asked} --help"


def _path(context: Any) -> str:
    """The command's name as the user writes it, also under `python -m preimage`."""
    names = []
    while context.parent:
        names.insert(0, context.info_name)
        context = context.parent
    return " ".join(["preimage", *names])
