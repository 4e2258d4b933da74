"""The plan of a study, as `pipelines.planned` has it."""

from functools import partial

from preimage.config import largest
from preimage.pipelines.packages import packages_of
from preimage.pipelines.planned import Planned
from preimage.tuning.describe import describe, summarize
from preimage.tuning.plan import StudyPlan, trial_resources
from preimage.tuning.study import run_study, with_images


def planned_study(plan: StudyPlan, retry_failed: bool) -> Planned:
    """The plan of a study. retry_failed: whether trials that failed run again."""
    missing = plan.missing(retry_failed)
    return Planned(
        name=plan.spec.name,
        root=plan.root,
        run=plan.run,
        fingerprint=plan.fingerprint,
        resolved=plan.spec.resolved(),
        code=plan.spec.code,
        plugins=plan.plugins,
        packages=_packages(plan) if missing else (),
        is_done=plan.outcome(retry_failed) is not None,
        needs_ray=plan.on_ray and missing > 0,
        needs=largest(step.job.resources.reserved for step in plan.base.steps) if missing else {},
        resources=trial_resources(plan) if missing else (),
        at_once=min(plan.spec.parallel, missing),
        describe=partial(describe, plan),
        with_images=lambda display: planned_study(with_images(plan, display), retry_failed),
        execute=partial(run_study, plan, retry_failed=retry_failed),
        summarize=partial(summarize, plan),
    )


def _packages(plan: StudyPlan) -> tuple[str, ...]:
    """What its trials need, what chooses them, and what compares them."""
    own = ("optuna", "scipy", *(("cmaes",) if plan.spec.sampler.name == "cma-es" else ()))
    return tuple(dict.fromkeys([*packages_of(plan.base), *own]))
