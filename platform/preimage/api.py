"""Plan and run specs from Python, as the command line does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from preimage.errors import SpecError
from preimage.pipelines.inputs import find_run
from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.planned import Planned, planned_pipeline
from preimage.pipelines.progress import Display, Silent
from preimage.runs.run_folder import Outcome
from preimage.specs.load import loads, read
from preimage.specs.overrides import parse_override
from preimage.specs.study import is_study, loads_study
from preimage.specs.yaml_lines import parse
from preimage.storage.address import DEFAULT, results_root
from preimage.storage.folder import Folder
from preimage.storage.plain_yaml import dump


def plan(
    spec: str | Path | Mapping[str, Any],
    changes: Sequence[str] = (),
    profile: str | None = None,
    *,
    results: str | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
) -> Planned:
    """Plan a job, a pipeline or a study. Starts nothing and writes nothing.

    spec: a spec file; an earlier run, by its name, folder or MLflow run id; or a spec as a mapping.
    changes: overrides, such as `training.total_images=1000`. profile: one of the spec's named sets of
    overrides. results: where all results go, as the override has it. fresh: plan new runs of everything;
    earlier ones are kept. retry_failed: plan a study's failed trials again. Raises SpecError that lists every
    mistake of the spec, PreimageError if it cannot be run.
    """
    changes = with_results(changes, results)
    text, origin, name = _text_of(spec, changes)
    if not is_study(text, origin):
        return planned_pipeline(make_plan(loads(text, origin, name, profile, changes), fresh))
    if fresh:
        raise SpecError("--fresh is for jobs and pipelines: to repeat a study, give --results ANOTHER-FOLDER")
    from preimage.tuning.plan import plan_study  # imports Optuna, which takes a second
    from preimage.tuning.planned import planned_study

    return planned_study(plan_study(loads_study(text, origin, name, profile, changes)), retry_failed)


def run(
    spec: str | Path | Mapping[str, Any] | Planned,
    changes: Sequence[str] = (),
    profile: str | None = None,
    *,
    results: str | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    display: Display | None = None,
    verbose: bool = False,
) -> Outcome:
    """Run a spec: skip what is finished, resume what was interrupted, run the rest.

    spec: as in `plan`, or a plan itself. display: where progress is shown. verbose: show what Ray prints.
    Raises PreimageError; results so far are kept."""
    if isinstance(spec, str | Path | Mapping):
        planned = plan(spec, changes, profile, results=results, fresh=fresh, retry_failed=retry_failed)
    else:
        planned = spec
    if planned.needs_ray:
        from preimage.cluster.connect import connect  # imported only if it is needed

        connect(verbose)
    return planned.execute(display or Silent())


def _text_of(spec: str | Path | Mapping[str, Any], changes: Sequence[str]) -> tuple[str, str, str]:
    """A spec's text, its name in messages, and the name of its runs if it gives none."""
    if isinstance(spec, Mapping):
        return dump(dict(spec)), "the spec", "spec"
    path = Path(spec)
    if path.is_file():
        return read(path), str(spec), path.stem
    if "://" in str(spec) and path.suffix == ".yaml":
        return Folder.at(spec).parent.read(path.name).decode(), str(spec), path.stem
    return _stored(str(spec), changes)


def _stored(name: str, changes: Sequence[str]) -> tuple[str, str, str]:
    """The spec of an earlier run under the results' root."""
    root = Folder.at(results_root(named_in(changes)))
    found = find_run(name, root / "runs")
    if not found:
        raise SpecError(
            f"{name!r} is neither a spec file nor a run under {root.uri} (if it is elsewhere, give its "
            "folder, or --results FOLDER). Shipped specs are in jobs/ and tuning/."
        )
    text, origin = found.folder.read("spec.yaml").decode(), f"{found.folder.uri}/spec.yaml"
    value = parse(text, origin).value
    if value.get("results") == DEFAULT:  # written there as a default: nobody chose it
        text = dump({key: each for key, each in value.items() if key != "results"})
    return text, origin, found.about()["name"]


def named_in(changes: Sequence[str]) -> str | None:
    """The results' root that overrides name; the last one counts."""
    return dict(map(parse_override, changes)).get("results")


def with_results(changes: Sequence[str], results: str | None) -> list[str]:
    """The overrides with `--results` among them. Raises SpecError if they name another root."""
    named = named_in(changes)
    if results is not None and named not in (None, results):
        raise SpecError(f"--results {results} and results={named} differ: give one of them")
    return [*changes, *([f"results={results}"] if results is not None and named is None else [])]
