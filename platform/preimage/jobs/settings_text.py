"""The settings that decide what a job makes, in words: for the line that says how a result was made."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from preimage.config import Config
from preimage.data.config import DataConfig
from preimage.data.image_shape import ImageSize, sides
from preimage.inversion.config import InversionConfig
from preimage.inversion.measurements import MeasurementConfig
from preimage.jobs.published import Setting, beside, in_words
from preimage.jobs.references import Reference
from preimage.training.config import LoopConfig, OptimizerConfig

DECIDES_NOTHING = frozenset(
    {"batch_size", "chunk", "job", "min_rel_delta", "rank_sample", "resources", "seed", "shown", "title"}
)
"""Keys that change no number by more than rounding, and those that the line says elsewhere."""


def settings_of(
    config: BaseModel,
    paper: Mapping[str, Setting] | None = None,
    unsaid: Collection[str] = (),
    before: str = "",
) -> list[str]:
    """The settings of a job, or of a part of one: a text each, without its images and its references.

    paper: the paper's settings, by dotted key; where they differ the text says both. unsaid: dotted keys to
    leave out. before: the dotted key of the part.
    """
    return list(_settings(config, paper or {}, {*unsaid}, before, all_of_it=True))


def data_text(data: DataConfig, count: int | None = None) -> str:
    """`400 images of digits train, 16 px, bilinear`; count: how many they are, if that is known."""
    count = count or data.max_images
    name = " ".join(filter(None, (data.source, data.category, data.split)))
    crop = f", crop {data.crop}" if data.crop else ""
    grey = {1: ", grey", 4: ", RGBA"}.get(data.channels, "")
    many = f"{count:,} images of {name}" if count else name
    return f"{many}, {pixels_text(data.size)}{grey}{crop}, {data.resample}"


def pixels_text(size: ImageSize) -> str:
    """`16 px`, or `28 x 40 px`."""
    height, width = sides(size)
    return f"{height} px" if height == width else f"{height} x {width} px"


def _settings(
    config: BaseModel, paper: Mapping[str, Setting], unsaid: set[str], before: str, all_of_it: bool
) -> Iterator[str]:
    """all_of_it: also what is as it is by default."""
    if isinstance(config, InversionConfig):
        yield from _inversion(config, paper, unsaid, before)
        return
    for name, value in config:
        key = f"{before}.{name}" if before else name
        field = type(config).model_fields[name]
        usual, omitted = field.default, bool(field.exclude_if and field.exclude_if(value))
        silent = omitted or name in DECIDES_NOTHING or key in unsaid
        if silent or isinstance(value, DataConfig | Reference):
            continue
        if isinstance(value, Config):
            yield from _part(key, value, paper, unsaid)
        elif isinstance(value, Mapping):
            parts = {each: part for each, part in value.items() if isinstance(part, InversionConfig)}
            for each, part in parts.items():
                yield f"{each}: {', '.join(_inversion(part, paper, unsaid, f'{key}.{each}'))}"
        elif all_of_it or value != usual:
            yield from _scalar(key, value, usual, paper.get(key))


def _part(key: str, part: Config, paper: Mapping[str, Setting], unsaid: set[str]) -> Iterator[str]:
    name = key.rpartition(".")[2]
    if isinstance(part, LoopConfig):
        yield from _loop(part, unsaid, key)
    elif isinstance(part, OptimizerConfig):
        own = {"adam": {"beta1"}, "rmsprop": {"decay"}}.get(part.name, set())
        usual = {each for each, value in part if value == type(part).model_fields[each].default}
        omit = unsaid | {f"{key}.{each}" for each in {"name", *usual} - {"lr", *own}}
        kind = [] if f"{key}.name" in unsaid else [part.name]
        yield ", ".join([*kind, *settings_of(part, paper, omit, key)])
    else:
        found = _settings(part, paper, unsaid, key, all_of_it=not isinstance(part, MeasurementConfig))
        if text := ", ".join(found):
            yield f"{in_words(name)} {text}".strip()


def _loop(loop: LoopConfig, unsaid: set[str], key: str) -> Iterator[str]:
    said = {
        "total_images": f"{loop.total_images:,} images seen",
        "batch_size": f"batch {loop.batch_size}",
        "precision": "" if loop.precision == "float32" else loop.precision,
        "select_by": f"best by {loop.select_by}" if loop.select_by else "",
    }
    if parts := [text for name, text in said.items() if text and f"{key}.{name}" not in unsaid]:
        yield ", ".join(parts)


def _inversion(
    config: InversionConfig, paper: Mapping[str, Setting], unsaid: set[str], key: str
) -> Iterator[str]:
    """Solver, learning rate, steps, then what is unusual for this solver."""
    if f"{key}.solver" not in unsaid:
        yield from _scalar(f"{key}.solver", config.solver, None, paper.get(f"{key}.solver"))
    if config.lr and f"{key}.lr" not in unsaid:
        yield from _scalar(f"{key}.lr", config.lr, None, paper.get(f"{key}.lr"))
    if f"{key}.steps" not in unsaid:
        most = " at most" if config.patience else ""
        (steps,) = _scalar(f"{key}.steps", config.steps, None, paper.get(f"{key}.steps"))
        yield steps + most
    if config.solver_settings:
        yield from settings_of(config.solver_settings, paper, unsaid, f"{key}.solver_settings")
    usual = InversionConfig(solver=config.solver, solver_settings=config.solver_settings)
    for name, value in config:
        said = name in ("solver", "lr", "steps", "patience") or name in DECIDES_NOTHING
        if said or f"{key}.{name}" in unsaid or value == getattr(usual, name):
            continue
        if isinstance(value, Config):
            yield from _part(f"{key}.{name}", value, paper, unsaid)
        else:
            yield from _scalar(f"{key}.{name}", value, getattr(usual, name), paper.get(f"{key}.{name}"))


def _scalar(key: str, value: Any, usual: Any, theirs: Setting | None) -> Iterator[str]:
    """Nothing for a list or a mapping, which tables and figures name themselves, nor for what is off."""
    if value is None or value is False:
        if usual not in (None, False):
            yield f"no {in_words(key)}"
    elif value is True:
        yield in_words(key)
    elif isinstance(value, int | float | str):
        yield beside(key, value, theirs)
