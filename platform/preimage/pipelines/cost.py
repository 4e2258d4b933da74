"""The cost of a plan's steps, as their jobs count it."""

from collections.abc import Iterable

from preimage.pipelines.plan import Plan, PlannedStep


def cost_of(plan: Plan, steps: Iterable[PlannedStep]) -> dict[str, int]:
    """The summed cost of some steps of a plan."""
    total: dict[str, int] = {}
    for step in steps:
        add(total, step.job.cost(_images(plan, step)))
    return total


def add(total: dict[str, int], more: dict[str, int], times: float = 1) -> None:
    """Add counts to counts."""
    for name, count in more.items():
        total[name] = total.get(name, 0) + round(count * times)


def _images(plan: Plan, step: PlannedStep) -> int | None:
    """How many images a step has; if it has only a store, those of the step that makes the store."""
    if step.data is not None:
        return plan.catalog.count(step.data)
    makers = [plan.by_name[each.step] for each in step.inputs.values() if each.step]
    return plan.catalog.count(makers[0].data) if makers else None
