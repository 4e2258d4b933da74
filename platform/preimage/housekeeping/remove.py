"""Remove runs, with their parts, unless others need them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from preimage.errors import PreimageError, SpecError
from preimage.housekeeping.found import all_parts
from preimage.housekeeping.listing import size_of
from preimage.housekeeping.needs import Need, Needs
from preimage.housekeeping.take import Item, take
from preimage.runs.products import PRODUCTS
from preimage.runs.run_folder import RUN_FILES
from preimage.storage.address import command, name_of
from preimage.storage.folder import Folder


@dataclass(frozen=True)
class RemovalPlan:
    """What removing some runs would do."""

    root: Folder
    items: tuple[Item, ...]
    """The runs that go, those that need others first."""
    kept: tuple[tuple[str, str], ...]
    """Their parts that stay: (run, why)."""
    recorded: bool = False
    """Whether MLflow has some of them."""

    @property
    def names(self) -> list[str]:
        return [each.folder.name for each in self.items]


def plan_removal(root: Folder, names: Sequence[str], with_dependents: bool = False) -> RemovalPlan:
    """What removing these runs would do. A pipeline goes with its steps, a study with its trials, unless
    other runs need them.

    with_dependents: also whatever needs them. Raises SpecError for a name that is no run's, PreimageError if
    other runs need one of them."""
    needs = Needs(root)
    wanted = [_known(needs, name) for name in names]
    going = _with_dependents(needs, wanted) if with_dependents else set(wanted)
    going |= _parts_nobody_else_needs(needs, going)
    if blocked := {name: found for name in wanted if (found := _others(needs, name, going))}:
        raise PreimageError(_refusal(blocked))
    parts = _parts(needs, going) - going
    kept = tuple((name, _by(_others(needs, name, going))) for name in sorted(parts))
    recorded = any(needs.found[name].about.get("mlflow_run_id") for name in going)
    items = tuple(run_item(needs, name, going) for name in ordered(needs, going))
    return RemovalPlan(root, items, kept, recorded)


def with_sizes(plan: RemovalPlan) -> RemovalPlan:
    """The same plan, with how much each run takes: by a listing of each."""
    sized = (replace(each, bytes=size_of(each.folder)) for each in plan.items)
    return replace(plan, items=tuple(sized))


def remove(plan: RemovalPlan) -> list[tuple[Item, str]]:
    """Remove the runs of a plan. Returns those that stayed, since another run began to need them meanwhile.

    Raises InUse, before anything is removed, if one of them is running."""
    return take(plan.items, lambda: Needs(plan.root))


def _known(needs: Needs, name: str) -> str:
    run = name_of(name)
    if run in needs.found:
        return run
    by_id = [each.name for each in needs.found.values() if each.about.get("mlflow_run_id") == name]
    if by_id:
        return by_id[0]
    near = get_close_matches(run, needs.found, n=1)
    listed = command("preimage", "runs", results=needs.root.uri)
    hint = f"did you mean {near[0]}?" if near else f"`{listed}` lists them"
    raise SpecError(f"no run {name!r} under {needs.root.uri}; {hint}")


def _with_dependents(needs: Needs, names: Collection[str]) -> set[str]:
    going, left = set(names), list(names)
    while left:
        for need in needs.of(left.pop()):
            if need.by in needs.found and need.by not in going:
                going.add(need.by)
                left.append(need.by)
    return going


def _parts(needs: Needs, names: Collection[str]) -> set[str]:
    """The steps and trials of runs, and the steps of these."""
    return all_parts(names, needs.parts)


def _parts_nobody_else_needs(needs: Needs, going: Collection[str]) -> set[str]:
    parts = _parts(needs, going) - set(going)
    while outside := {name for name in parts if _others(needs, name, {*going, *parts})}:
        parts -= outside
    return parts


def _others(needs: Needs, name: str, going: Collection[str]) -> list[Need]:
    return [need for need in needs.of(name) if need.by not in going]


def ordered(needs: Needs, going: Collection[str]) -> list[str]:
    """Those that need others first, so that what is left at any moment has what it needs."""
    order: list[str] = []
    left = [name for name in needs.found if name in going]

    def add(name: str, around: tuple[str, ...]) -> None:
        for need in needs.of(name):
            if need.by in going and need.by not in order and need.by not in around:
                add(need.by, (*around, name))
        if name not in order:
            order.append(name)

    for name in left:
        add(name, ())
    return order


def run_item(needs: Needs, name: str, going: Collection[str]) -> Item:
    each = needs.found[name]
    whole = (f"{product.name}/{product.marker}" for product in PRODUCTS.values() if product.marker)
    first = (*RUN_FILES, *whole)
    own = frozenset(going)

    def why_kept(now: Needs) -> str:
        return _by(_others(now, name, own))

    title = each.about.get("name", "")
    return Item("run", each.run.folder, each.run.folder, first, why_kept, title)


def _by(needs: Collection[Need]) -> str:
    return "; ".join(f"{each.by} needs it ({each.reason})" for each in list(needs)[:3])


def _refusal(blocked: dict[str, list[Need]]) -> str:
    lines = [
        f"{run} is needed by {need.by} ({need.reason})" for run, needs in blocked.items() for need in needs
    ]
    more = f"\n  and {len(lines) - 10} more" if len(lines) > 10 else ""
    part = any(need.product in ("step", "trial") for needs in blocked.values() for need in needs)
    again = " A pipeline without a step's run would do that step again." if part else ""
    return (
        "nothing was removed, since others need it:\n  "
        + "\n  ".join(lines[:10])
        + f"{more}\n`--with-dependents` removes these too.{again}"
    )
