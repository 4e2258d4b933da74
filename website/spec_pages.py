"""A page for each shipped spec: what it is for, how to run it, and its text."""

from pathlib import Path
from typing import Any

from preimage.specs.header import header_of
from website.outside import ROOT
from website.uses import jobs_of, shipped_specs

FOLDER = "reference/specs"
LABELS = {"papers": "Papers", "needs": "Needs"}


def pages() -> dict[str, str]:
    """Markdown by path in the site."""
    made = {f"{FOLDER}/{path.stem}.md": _page(path) for path in shipped_specs()}
    made[f"{FOLDER}/index.md"] = _index()
    return made


def navigation() -> list[dict[str, Any]]:
    """These pages in the navigation."""
    each = [{path.stem: f"{FOLDER}/{path.stem}.md"} for path in shipped_specs()]
    return [{"Shipped specs": [f"{FOLDER}/index.md", *each]}]


def _page(path: Path) -> str:
    text = path.read_text()
    header = header_of(text)
    about = [f"{label}: {header.remarks[key]}." for key, label in LABELS.items() if key in header.remarks]
    links = ", ".join(f"[`{job}`](../jobs/{job}.md)" for job in jobs_of(path))
    return "\n\n".join(
        [
            f"# {path.relative_to(ROOT)}",
            header.sentence,
            *about,
            f"Keys, by kind of job: {links}.",
            f"```yaml\n{text.rstrip()}\n```",
        ]
    )


def _index() -> str:
    rows = [
        f"| [{path.relative_to(ROOT)}]({path.stem}.md) | {header_of(path.read_text()).sentence} |"
        for path in shipped_specs()
    ]
    return "# Shipped specs\n\n| spec | what |\n|---|---|\n" + "\n".join(rows) + "\n"
