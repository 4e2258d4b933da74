"""The reference of specs: a page for each kind of job, and pages for what several of them share.

All of it is read from jobs/schema.json, which `preimage schema` writes.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from website.outside import ROOT
from website.schema import Key, Schema, cell, keys_of, references
from website.uses import jobs_of, shipped_specs

OF_A_FILE = ("name", "results", "tracking", "code", "profiles")
"""Keys of every spec file, whatever its job."""
SHARED_FROM = 3
"""Settings that so many kinds of job have are described once, on a page of their own."""
FOLDER = "reference/jobs"
NAMES = {"Loop": "Training", "Choice": "Chosen images", "Pgan": "PGAN", "Method": "Reconstruction method"}


def pages() -> dict[str, str]:
    """Markdown by path in the site."""
    made = {f"{FOLDER}/{job}.md": _job_page(job, schema) for job, schema in jobs().items()}
    made["reference/index.md"] = _spec_page()
    made["reference/settings.md"] = _settings_page()
    return made


def navigation() -> list[dict[str, Any]]:
    """These pages in the navigation."""
    kinds = [{job: f"{FOLDER}/{job}.md"} for job in jobs()]
    return [
        {"Specs": ["reference/index.md", {"Settings that jobs share": "reference/settings.md"}]},
        {"Jobs": kinds},
    ]


@cache
def jobs() -> dict[str, Schema]:
    """The schema of a spec file of each kind of job, by the job's name."""
    specs = (definitions()[next(references(each))] for each in _whole()["oneOf"])
    return {each["properties"]["job"]["const"]: each for each in specs if "job" in each["properties"]}


@cache
def definitions() -> Schema:
    return _whole()["$defs"]


@cache
def shared() -> list[str]:
    """The definitions that have a section on the page of shared settings, the most used first."""
    used = Counter(name for schema in jobs().values() for name in sorted(_within(schema)))
    return [name for name, times in used.most_common() if times >= SHARED_FROM]


def title_of(definition: str) -> str:
    """DataConfig -> Data."""
    name = definition.removesuffix("Config").removesuffix("Keys")
    return "Model" if name.endswith("Model") else NAMES.get(name, name)


def table(keys: Iterator[Key], prefix: str = "") -> str:
    """The keys of a group of settings, each with an anchor."""
    lines = ["| key | value | what it does |", "|---|---|---|"]
    for key in keys:
        name = f"{prefix}{key.name}"
        value = cell(key.type) + ("<br>**required**" if key.required else "")
        if key.default is not None:
            value += f"<br>default `{cell(key.default)}`"
        lines.append(f'| <span id="{name}"></span>`{name}` | {value} | {cell(key.description)} |')
    return '<div class="keys" markdown>\n\n' + "\n".join(lines) + "\n\n</div>\n"


def _job_page(job: str, schema: Schema) -> str:
    own = {name: each for name, each in schema["properties"].items() if name not in (*OF_A_FILE, "job")}
    required = [name for name in schema.get("required", ()) if name in own]
    example = ", ".join([f"job: {job}", *(f"{name}: ..." for name in required)])
    specs = [f"[{name}]({path})" for name, path in _specs_with(job)]
    parts = [
        f"# `job: {job}`",
        schema["description"],
        f"```yaml\n{{{example}}}\n```",
        f"In the shipped specs {', '.join(specs)}." if specs else "",
        "## Keys",
        "A spec file that holds one job has also [the keys of every spec](../index.md#every-spec-file).",
        table(keys_of({**schema, "properties": own}, definitions(), _linker("../settings.md"))),
        *_inner_sections(own),
    ]
    return "\n\n".join(part for part in parts if part)


def _inner_sections(properties: Mapping[str, Any]) -> Iterator[str]:
    """A section for each group of settings that only this job has, and those within it."""
    waiting, seen = list(references(properties)), set(shared())
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen.add(name)
            yield _section(name, "../settings.md")
            waiting += references(definitions()[name].get("properties", {}))


def _section(name: str, settings_page: str) -> str:
    schema = definitions()[name]
    about = schema.get("description", "")
    keys = table(keys_of(schema, definitions(), _linker(settings_page)), f"{title_of(name)}.")
    return f"## {title_of(name)}\n\n{about}\n\n{keys.replace(f'`{title_of(name)}.', '`')}"


def _settings_page() -> str:
    head = (
        "# Settings that jobs share\n\n"
        "In a spec each group stands under a key, such as `data: {source: digits}`."
    )
    return "\n\n".join([head, *(_section(name, "") for name in shared())])


def _spec_page() -> str:
    names = {"Pipeline": "PipelineSpec", "Study": "StudySpec"}
    of_all = definitions()["PagSpec"]
    every = {name: of_all["properties"][name] for name in OF_A_FILE}
    link = _linker("settings.md")
    parts = [
        "# Specs",
        "A spec file holds one job, a pipeline of named steps, or a study of many trials. Every key of it is "
        "on these pages, which are made from the JSON Schema that editors use too (`preimage schema`).",
        "| job | |\n|---|---|\n" + "\n".join(_rows()),
        "## Every spec file",
        table(keys_of({"properties": every}, definitions(), link)),
    ]
    for title, name in names.items():
        schema = definitions()[name]
        own = {key: each for key, each in schema["properties"].items() if key not in OF_A_FILE}
        keys = table(keys_of({**schema, "properties": own}, definitions(), link), f"{title.lower()}.")
        parts += [f"## {title}", schema["description"], keys.replace(f"`{title.lower()}.", "`")]
    parts += [_section(name, "settings.md") for name in ("Space", "SamplerConfig", "SchedulerConfig")]
    return "\n\n".join(parts)


def _rows() -> Iterator[str]:
    for job, schema in jobs().items():
        first = schema["description"].split("\n\n")[0]
        yield f"| [`{job}`](jobs/{job}.md) | {cell(first)} |"


def _linker(settings_page: str) -> Any:
    """How a page refers to a definition: on the shared page, on its own, or to the page of a job."""

    def link(name: str) -> str:
        if name.endswith(("Job", "Trial", "Spec")) or name == "TrialPipeline":
            return "a pipeline" if name == "TrialPipeline" else "a job"
        title = title_of(name)
        page = settings_page if name in shared() else ""
        return f"[{title}]({page}#{title.lower().replace(' ', '-')})"

    return link


def _within(schema: Any) -> set[str]:
    """The definitions that a schema refers to, and those that they refer to."""
    found, waiting = set(), set(references(schema))
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(references(definitions()[name])) - found
    return found


def _specs_with(job: str) -> Iterator[tuple[str, str]]:
    for path in shipped_specs():
        if job in jobs_of(path):
            yield path.stem, f"../specs/{path.stem}.md"


@cache
def _whole() -> Schema:
    return json.loads((ROOT / "jobs" / "schema.json").read_text())
