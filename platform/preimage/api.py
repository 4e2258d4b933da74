"""Plan and run specs from Python, as the command line does."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from preimage.errors import SpecError
from preimage.extras import require
from preimage.jobs.base import Job
from preimage.named_code import modules_of, naming
from preimage.pipelines.inputs import find_run
from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.packages import require_packages
from preimage.pipelines.planned import Planned, planned_pipeline
from preimage.pipelines.progress import Display, Silent
from preimage.plugins import require_installed
from preimage.runs.run_folder import Outcome, RunFolder
from preimage.specs.load import loads, read
from preimage.specs.objects import plain_spec
from preimage.specs.overrides import Changes, pairs
from preimage.specs.shipped import names, spec_file
from preimage.specs.study import is_study, loads_study
from preimage.specs.yaml_lines import Written, parse
from preimage.storage.address import DEFAULT, named_root, results_root
from preimage.storage.folder import Folder

Spec = str | Path | Job | Mapping[str, Any]
"""A spec file, or one that comes with Preimage by its name, such as demo; an earlier run, by its name, folder
or MLflow run id; a job; a pipeline's jobs by the names of their steps; or a mapping with the keys of a spec
file, in which jobs may be objects."""


def plan(
    spec: Spec,
    changes: Changes = (),
    profile: str | None = None,
    *,
    results: str | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    code: str | Sequence[str] = (),
) -> Planned:
    """Plan a job, a pipeline or a study. Starts nothing, and writes nothing but generators from MLflow.

    spec: see `Spec`. changes: overrides, such as {"training.total_images": 1000}, or texts such as
    "training.total_images=1000". profile: one of the spec's named sets of overrides. results: where all
    results go, as the override has it. fresh: plan new runs of everything; earlier ones are kept.
    retry_failed: plan a study's failed trials again. code: a module, or several, besides those that the spec
    names, whose code may build imported generators. Raises SpecError that lists every mistake of the spec,
    PreimageError if it cannot be run.
    """
    changes = with_results(changes, results)
    written, origin, name = _read(spec, changes)
    if not is_study(written, origin):
        loaded = loads(written, origin, name, profile, changes)
        loaded = replace(loaded, code=(*loaded.code, *modules_of(code)))
        with naming(loaded.code):
            return planned_pipeline(make_plan(loaded, fresh))
    if fresh:
        raise SpecError("--fresh is for jobs and pipelines: to repeat a study, give --results ANOTHER-FOLDER")
    require("a study", "optuna")
    from preimage.tuning.plan import plan_study  # imports Optuna, which takes a second
    from preimage.tuning.planned import planned_study

    study = loads_study(written, origin, name, profile, changes)
    study = replace(study, code=(*study.code, *modules_of(code)))
    with naming(study.code):
        return planned_study(plan_study(study), retry_failed)


def run(
    spec: Spec | Planned,
    changes: Changes = (),
    profile: str | None = None,
    *,
    results: str | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    code: str | Sequence[str] = (),
    display: Display | None = None,
    verbose: bool = False,
) -> Outcome:
    """Run a spec: skip what is finished, resume what was interrupted, run the rest.

    spec: as in `plan`, or a plan itself. display: where progress is shown. verbose: show what Ray prints.
    Raises PreimageError; results so far are kept."""
    planned = spec
    if not isinstance(planned, Planned):
        again = {"fresh": fresh, "retry_failed": retry_failed}
        planned = plan(planned, changes, profile, results=results, code=code, **again)
    require_packages(planned.name, planned.packages)
    with naming(planned.code):
        if planned.needs_ray:
            from preimage.cluster.connect import connect  # imported only if it is needed

            connect(verbose)
        display = display or Silent()
        with room_for(planned):
            planned = planned.with_images(display)
            return planned.execute(display, report=partial(_report, planned))


def _report(planned: Planned, run: RunFolder, outcome: Outcome) -> None:
    """Write the page on a finished run."""
    from preimage.reports.write import write_report  # imports Jinja, which a plan does not need

    write_report(run, planned.summarize(outcome).commands)


def room_for(planned: Planned) -> AbstractContextManager[None]:
    """Room for a plan on the cluster that this process is connected to, for as long as the block runs."""
    if not planned.needs_ray:
        return nullcontext()
    from preimage.cluster.room import hold_room

    return hold_room(planned.resources, planned.at_once, planned.run.name)


def named_in(changes: Changes) -> str | None:
    """The results' root that overrides name; the last one counts."""
    return dict(pairs(changes)).get("results")


def with_results(changes: Changes, results: str | None) -> Changes:
    """The overrides with `--results` among them. Raises SpecError if they name another root."""
    named = named_in(changes)
    if named == named_root(results, named):
        return changes
    if isinstance(changes, Mapping):
        return {**changes, "results": results}
    return [*([changes] if isinstance(changes, str) else changes), f"results={results}"]


def _read(spec: Spec, changes: Changes) -> tuple[Written, str, str]:
    """A spec's text or plain values, its name in messages, and the name of its runs if it gives none."""
    if isinstance(spec, Job):
        return plain_spec(spec), "the spec", spec.job
    if isinstance(spec, Mapping):
        return plain_spec(spec), "the spec", "spec"
    if path := spec_file(str(spec)):
        return read(path), str(spec), path.stem
    if "://" in str(spec) and (file := Folder.at(spec)).name.endswith(".yaml"):
        return file.parent.read(file.name).decode(), str(spec), file.name.removesuffix(".yaml")
    return _stored(str(spec), changes)


def _stored(name: str, changes: Changes) -> tuple[Written, str, str]:
    """The spec of an earlier run under the results' root."""
    root = Folder.at(results_root(named_in(changes)))
    found = find_run(name, root / "runs")
    if not found:
        near = get_close_matches(Path(name).stem, names(), n=1)
        hint = f"did you mean {near[0]}?" if near else "`preimage specs` lists those that come with it."
        raise SpecError(
            f"{name!r} is neither a spec file, nor a spec that comes with Preimage, nor a run under "
            f"{root.uri} (if it is elsewhere, give its folder, or --results FOLDER): {hint}"
        )
    require_installed(found.about(), f"the run {found.name}")
    text, origin = found.folder.read("spec.yaml").decode(), (found.folder / "spec.yaml").uri
    value = parse(text, origin).value
    if value.get("results") == DEFAULT:  # written there as a default: nobody chose it
        return {key: each for key, each in value.items() if key != "results"}, origin, found.about()["name"]
    return text, origin, found.about()["name"]
