"""The gallery: a page for each script of examples/gallery, and one that shows all their pictures.

Title and narrative are the script's docstring, the code is the script, the picture is what it made.
"""

import ast
import json
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "examples" / "gallery"
PICTURES = ROOT / "docs" / "images" / "gallery"
MADE = PICTURES / "made.json"
"""What `python -m website.run_gallery` measured."""
GROUPS = {
    "Begin": ("invert_digits", "own_network", "stranger", "folder_to_sql"),
    "What codes are good for": ("walk", "arithmetic", "complete", "sense", "glo"),
    "Can codes be trusted?": ("recover_exactly", "local_rank", "prior_agreement", "better_prior"),
    "Runs that one can rely on": ("study", "kill_and_resume", "train_on_codes"),
}
SPECS = ("digits", "glo")
"""Those that several scripts share: each is run once, by the first script that needs it."""


def names() -> list[str]:
    return [name for group in GROUPS.values() for name in group]


def pages() -> dict[str, str]:
    """Markdown by path in the site."""
    return {"gallery/index.md": _index()} | {f"gallery/{name}.md": _page(name) for name in names()}


def navigation() -> list[dict[str, Any]]:
    """These pages in the navigation."""
    groups = [{group: [{title(name): f"gallery/{name}.md"} for name in of]} for group, of in GROUPS.items()]
    return [{"Gallery": ["gallery/index.md", *groups]}]


def title(name: str) -> str:
    """The first line of a script's docstring."""
    return _about(name)[0].rstrip(".")


def lesson(name: str) -> str:
    """The rest of it: what one learns."""
    return _about(name)[1].strip()


@cache
def made() -> dict[str, Any]:
    return json.loads(MADE.read_text())


def _about(name: str) -> tuple[str, str]:
    text = ast.get_docstring(ast.parse(_source(name)))
    first, _, rest = (text or "").partition("\n")
    return first, rest


def _source(name: str) -> str:
    return (SCRIPTS / f"{name}.py").read_text()


def _spec(name: str) -> str:
    return (SCRIPTS / f"{name}.yaml").read_text().strip()


def _code(name: str) -> str:
    """A script without its docstring, which is the page's text."""
    return _source(name).split('"""', 2)[2].strip()


def _index() -> str:
    head = (
        "# Gallery\n\n"
        "Each example is one script that you can copy, and each picture is what its script made. Run one in "
        "a clone with `python examples/gallery/walk.py`; what the first one trains, the others find again. "
        f"{_shared()}"
    )
    parts = [head]
    for group, of in GROUPS.items():
        cells = "\n".join(map(_cell, of))
        parts.append(f'## {group}\n\n<div class="gallery" markdown="0">\n{cells}\n</div>')
    specs = "\n\n".join(f"### {spec}.yaml {{ #{spec} }}\n\n```yaml\n{_spec(spec)}\n```" for spec in SPECS)
    return "\n\n".join([*parts, "## What they train", specs]) + "\n"


def _cell(name: str) -> str:
    picture = f'<img src="../images/gallery/{name}.png" alt="{_escaped(title(name))}">'
    return f'<a href="{name}.html">{picture}<span>{_escaped(title(name))}</span></a>'


def _page(name: str) -> str:
    return "\n\n".join(
        [
            f"# {title(name)}",
            lesson(name),
            f"![{title(name)}](../images/gallery/{name}.png)",
            _how(name),
            f"```python\n{_code(name)}\n```",
        ]
    )


def _how(name: str) -> str:
    spec = next((each for each in SPECS if f'"{each}.yaml"' in _source(name)), None)
    took = f"{_time(made()[name])} on {made()['machine']}"
    before = f", after [{spec}.yaml](index.md#{spec}), which is run once" if spec else ""
    return f"*`python examples/gallery/{name}.py`: {took}{before}.*"


def _shared() -> str:
    times = " and ".join(f"`{spec}.yaml` takes {_time(made()[f'{spec}.yaml'])}" for spec in SPECS)
    return f"On {made()['machine']}, {times}; the scripts say their own times."


def _time(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
