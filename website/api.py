"""The reference of the Python API: what `preimage` exports, from its docstrings."""

import preimage

GROUPS = {
    "Invert images": ["invert", "InvertedImages", "InversionConfig", "MeasurementConfig", "LinearOperator"],
    "Run specs": ["run", "plan", "submit", "Handle"],
    "What runs made": ["open", "Run", "list_runs", "Store", "report", "PreimageError"],
    "Generators and stores, in and out": [
        "save_generator",
        "load_generator",
        "load_prior",
        "export_generator",
        "import_store",
        "export_store",
    ],
    "Images": ["load_images", "LoadedImages", "picture", "to_float", "to_uint8"],
}
ELSEWHERE = {"jobs", "__version__"}
"""Names with pages of their own, and names that need none."""
HEAD = """# Python API

```python
import preimage as pi
```

All that `preimage` exports. `pi.jobs` has a class for each [kind of job](index.md), with the keys of a spec
as its arguments: `pi.jobs.PagJob(store="RUN")`. A user's mistake raises `pi.PreimageError`, or
one of the errors named below, which derive from it.
"""


def pages() -> dict[str, str]:
    """Markdown by path in the site; names that no group has come last."""
    grouped = {name for names in GROUPS.values() for name in names} | ELSEWHERE
    further = [name for name in preimage.__all__ if name not in grouped]
    groups = {**GROUPS, "Further": further} if further else GROUPS
    sections = [_section(title, names) for title, names in groups.items()]
    return {"reference/api.md": "\n".join([HEAD, *sections])}


def _section(title: str, names: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(
        f"::: preimage.{name}\n    options: {{heading_level: 3}}\n" for name in names
    )
