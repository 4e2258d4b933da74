"""Read the images of a plan: only their content decides which runs it makes."""

from preimage.pipelines.make_plan import make_plan
from preimage.pipelines.plan import Plan
from preimage.pipelines.progress import Display


def with_images(plan: Plan, display: Display) -> Plan:
    """The plan with its images prepared, so that its runs are final. Raises DataError, StorageError."""
    if plan.is_final:
        return plan
    for step in plan.steps:
        for data in step.images:
            if not plan.catalog.is_identified(data):
                resources = step.job.resources
                plan.catalog.prepare(data, resources, display.task)
    return make_plan(plan.spec, plan.fresh, plan.catalog)
