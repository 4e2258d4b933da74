"""Links that leave docs/: the files that they name get pages of their own, so that the site is whole."""

import os.path
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

LINK = re.compile(r"""(?<=\]\()[^()\s#]+(?=[)#])|(?<=\shref=")[^"#]+(?=["#])""")
"""The target of a Markdown link or image, or of an HTML link, without its anchor."""
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)

SHOWN = {
    ".py": "python",
    ".yaml": "yaml",
    ".toml": "toml",
    ".json": "json",
    "Makefile": "make",
    ".cff": "yaml",
}
UNSEARCHED = "---\nsearch: {exclude: true}\n---\n\n"
"""The head of a page that the search does not find."""
MOVED = {"README.md": "index.md", "benchmarks/README.md": "benchmarks.md"}
"""Pages of the site that stand for a file outside docs/."""


def prose(markdown: str) -> str:
    """A page without its blocks of code, in which brackets are no links."""
    return FENCE.sub("", markdown)


def targets(markdown: str, page: str) -> Iterator[str]:
    """The files and folders of the repository that a page links to, as paths in it.

    page: the page's own path in the repository, such as docs/runs.md.
    """
    for link in LINK.findall(prose(markdown)):
        if "://" not in link and not link.startswith("mailto:"):
            yield os.path.normpath(os.path.join(os.path.dirname(page), link))


def with_links(markdown: str, page: str, site_page: str) -> str:
    """A page whose links that leave docs/ lead to the site's own pages.

    page: its path in the repository. site_page: its path in the site, such as runs.md.
    """

    def moved(found: re.Match[str]) -> str:
        link = found[0]
        if "://" in link or link.startswith("mailto:"):
            return link
        path = os.path.normpath(os.path.join(os.path.dirname(page), link))
        return os.path.relpath(page_of(path), os.path.dirname(site_page) or ".")

    return _outside_fences(markdown, lambda text: LINK.sub(moved, text))


def page_of(path: str) -> str:
    """The site's page of a file or folder of the repository."""
    if path in MOVED:
        return MOVED[path]
    if (ROOT / path).is_dir():
        return f"source/{path}/index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    folder, name = os.path.split(path)
    if folder in ("jobs", "tuning") and name.endswith(".yaml"):
        return f"reference/specs/{name.removesuffix('.yaml')}.md"
    return f"source/{path}.md"


def source_page(path: str) -> str:
    """The page of a file outside docs/: its text. Of a folder: links to its files."""
    found = ROOT / path
    if found.is_dir():
        return f"{UNSEARCHED}# {path}/\n\n" + "\n".join(
            f"- [{each.relative_to(found)}]({os.path.relpath(each, DOCS)})" for each in files_of(found)
        )
    language = SHOWN.get(found.suffix) or SHOWN.get(found.name, "text")
    return f"{UNSEARCHED}# {path}\n\n``````{language}\n{found.read_text().rstrip()}\n``````\n"


def files_of(folder: Path) -> list[Path]:
    """The files below a folder that are shown."""
    inside = (each for each in folder.rglob("*") if each.is_file() and each.suffix in SHOWN)
    return sorted(each for each in inside if "build" not in each.relative_to(folder).parts)


def _outside_fences(markdown: str, change: Callable[[str], str]) -> str:
    parts, end = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [change(markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(markdown[end:])])
