"""Plan and run specs from Python, as the command line does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from preimage.errors import SpecError
from preimage.pipelines.inputs import find_run
from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.planned import Planned, planned_pipeline
from preimage.pipelines.progress import Display, Silent
from preimage.runs.run_folder import Outcome
from preimage.specs.load import loads, read
from preimage.specs.overrides import parse_override
from preimage.specs.study import is_study, loads_study
from preimage.storage.folder import Folder


def plan(
    spec: str | Path | Mapping[str, Any],
    changes: Sequence[str] = (),
    profile: str | None = None,
    *,
    fresh: bool = False,
    retry_failed: bool = False,
) -> Planned:
    """Plan a job, a pipeline or a study. Starts nothing and writes nothing.

    spec: a spec file; an earlier run, by its name, folder or MLflow run id; or a spec as a mapping.
    changes: overrides, such as `training.total_images=1000`. profile: one of the spec's named sets of
    overrides. fresh: plan new runs of everything; earlier ones are kept. retry_failed: plan a study's failed
    trials again. Raises SpecError that lists every mistake of the spec, PreimageError if it cannot be run.
    """
    text, origin, name = _text_of(spec, changes)
    if not is_study(text, origin):
        return planned_pipeline(make_plan(loads(text, origin, name, profile, changes), fresh))
    if fresh:
        raise SpecError("--fresh is for jobs and pipelines: to repeat a study, give results=ANOTHER-FOLDER")
    from preimage.tuning.plan import plan_study  # imports Optuna, which takes a second
    from preimage.tuning.planned import planned_study

    return planned_study(plan_study(loads_study(text, origin, name, profile, changes)), retry_failed)


def run(
    spec: str | Path | Mapping[str, Any] | Planned,
    changes: Sequence[str] = (),
    profile: str | None = None,
    *,
    fresh: bool = False,
    retry_failed: bool = False,
    display: Display | None = None,
    verbose: bool = False,
) -> Outcome:
    """Run a spec: skip what is finished, resume what was interrupted, run the rest.

    spec: as in `plan`, or a plan itself. display: where progress is shown. verbose: show what Ray prints.
    Raises PreimageError; results so far are kept."""
    if isinstance(spec, str | Path | Mapping):
        planned = plan(spec, changes, profile, fresh=fresh, retry_failed=retry_failed)
    else:
        planned = spec
    if planned.needs_ray:
        from preimage.cluster.connect import connect  # imported only if it is needed

        connect(verbose)
    return planned.execute(display or Silent())


def _text_of(spec: str | Path | Mapping[str, Any], changes: Sequence[str]) -> tuple[str, str, str]:
    """A spec's text, its name in messages, and the name of its runs if it gives none."""
    if isinstance(spec, Mapping):
        return yaml.safe_dump(dict(spec), sort_keys=False), "the spec", "spec"
    path = Path(spec)
    if path.is_file():
        return read(path), str(spec), path.stem
    if "://" in str(spec) and path.suffix == ".yaml":
        return Folder.at(spec).parent.read(path.name).decode(), str(spec), path.stem
    return _stored(str(spec), changes)


def _stored(name: str, changes: Sequence[str]) -> tuple[str, str, str]:
    """The spec of an earlier run in the results folder that the overrides name."""
    results = str(dict(map(parse_override, changes)).get("results", "results"))
    found = find_run(name, Folder.at(results) / "runs")
    if not found:
        raise SpecError(
            f"{name!r} is neither a spec file nor a run under {results}/ (if it is elsewhere, give its "
            "folder or results=FOLDER). Shipped specs are in jobs/ and tuning/."
        )
    text = found.folder.read("spec.yaml").decode()
    return text, f"{found.folder.uri}/spec.yaml", found.about()["name"]
