"""Plan and run specs from Python, as the command line does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from preimage.errors import SpecError
from preimage.pipelines.inputs import find_run
from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.planned import Planned, PlannedPipeline
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
    """What a job, a pipeline or a study would do. Starts nothing and writes nothing.

    spec: a spec file, an earlier run by its name, folder or MLflow run id, or a spec as plain values.
    changes: overrides, such as `training.total_images=1000`. profile: one of the spec's named sets of these.
    fresh: plan new runs of everything, beside equal ones. retry_failed: plan a study's failed trials again.
    Raises SpecError with every mistake of the spec, and PreimageError for what can be known to be impossible.
    """
    text, origin, name = _text_of(spec, changes)
    if not is_study(text, origin):
        return PlannedPipeline(make_plan(loads(text, origin, name, profile, changes), fresh))
    if fresh:
        raise SpecError("--fresh is for jobs and pipelines: run a study anew with results=ANOTHER-FOLDER")
    from preimage.tuning.plan import plan_study  # with Optuna, a second to import
    from preimage.tuning.planned import PlannedStudy

    return PlannedStudy(plan_study(loads_study(text, origin, name, profile, changes)), retry_failed)


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
    """Run what a spec asks for and is not finished; resume what was interrupted.

    spec: as `plan` takes it, or a plan itself. display: where progress is shown. verbose: show what Ray
    prints. Raises PreimageError; what was made until then is kept."""
    if isinstance(spec, str | Path | Mapping):
        planned = plan(spec, changes, profile, fresh=fresh, retry_failed=retry_failed)
    else:
        planned = spec
    if planned.needs_ray:
        from preimage.cluster.connect import connect  # Ray is not needed otherwise

        connect(verbose)
    return planned.execute(display or Silent())


def _text_of(spec: str | Path | Mapping[str, Any], changes: Sequence[str]) -> tuple[str, str, str]:
    """A spec's text, what messages call it, and the name of its runs where it has none itself."""
    if isinstance(spec, Mapping):
        return yaml.safe_dump(dict(spec), sort_keys=False), "the spec", "spec"
    path = Path(spec)
    if path.is_file():
        return read(path), str(spec), path.stem
    if "://" in str(spec) and path.suffix == ".yaml":
        return Folder.at(spec).parent.read(path.name).decode(), str(spec), path.stem
    return _stored(str(spec), changes)


def _stored(name: str, changes: Sequence[str]) -> tuple[str, str, str]:
    """The spec that an earlier run keeps, under the results that the overrides name."""
    results = str(dict(map(parse_override, changes)).get("results", "results"))
    found = find_run(name, Folder.at(results) / "runs")
    if not found:
        raise SpecError(
            f"{name!r} is neither a spec file nor a run under {results}/ (elsewhere, give its folder, or "
            "results=FOLDER). Shipped specs are in jobs/ and tuning/."
        )
    text = found.folder.read("spec.yaml").decode()
    return text, f"{found.folder.uri}/spec.yaml", found.about()["name"]
