"""The small JSON files beside the parts of a latent store: the plan, a record per part, the manifest."""

import json
import re
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from preimage._version import __version__
from preimage.config import Config, PositiveInt
from preimage.errors import StorageError, StoreError
from preimage.latents.local_rank import LocalRank
from preimage.latents.schema import About
from preimage.storage.folder import Folder, as_json, canonical_json, digest
from preimage.storage.formats import STORE

PLAN = "_plan.json"
MANIFEST = "_manifest.json"
AGAIN = "run the job again to complete it"
RECORD = re.compile(r"_part-(\d{5,18})\.json")

Json = TypeVar("Json", bound=Config)


def part_name(index: int) -> str:
    return f"part-{index:05d}.parquet"


def record_name(index: int) -> str:
    """Readers of Parquet folders skip names that begin with an underscore."""
    return f"_part-{index:05d}.json"


class StorePlan(Config):
    """What a store will hold; written before its first part."""

    about: About
    parts: PositiveInt
    count: PositiveInt

    def by_this_version(self) -> Self:
        """The same, said to be written by this version."""
        about = self.about.model_copy(update={"preimage": __version__})
        return self.model_copy(update={"about": about})

    def differences(self, other: "StorePlan") -> list[str]:
        """The settings in which another plan differs, paths aside, as `name: ours -> theirs`."""
        mine, theirs = _flat(self._settings()), _flat(other._settings())
        names = sorted(mine.keys() | theirs.keys())
        return [
            f"{name}: {mine.get(name, 'absent')} -> {theirs.get(name, 'absent')}"
            for name in names
            if mine.get(name) != theirs.get(name)
        ]

    def _settings(self) -> dict[str, Any]:
        return {**self.about.identity(), "parts": self.parts, "rows": self.count}


class PartRecord(Config):
    """One part as it was written; it lies beside the part until the manifest gathers all records."""

    file: str
    rows: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: str
    rows_sha256: str
    """Of image_id and loss alone: tells two workers' versions of one part apart without reading the codes."""
    span: tuple[int, int] | None
    """The places of its first and last image in the shuffle of the source, between which they rise; None if
    they do not."""


class Manifest(Config):
    """What a complete store holds; written last."""

    about: About
    count: int
    parts: tuple[PartRecord, ...]
    fingerprint: str
    local_rank: LocalRank | None = None
    """What was measured at some of the codes; no part of the fingerprint, which is of the codes."""
    local_rank_sha256: str | None = None

    @model_serializer(mode="wrap")
    def _only_what_was_measured(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: each for name, each in dump(self).items() if each is not None}

    @classmethod
    def of(cls, about: About, records: list[PartRecord], local_rank: LocalRank | None = None) -> Self:
        content = {"about": about.identity(), "parts": [record.model_dump() for record in records]}
        fingerprint = digest(canonical_json(content).encode())
        count = sum(record.rows for record in records)
        made = cls(about=about, count=count, parts=tuple(records), fingerprint=fingerprint)
        return made.with_local_rank(local_rank) if local_rank else made

    def with_local_rank(self, local_rank: LocalRank) -> Self:
        """The same store, with what was measured at its codes."""
        sha256 = digest(canonical_json(local_rank.model_dump()).encode())
        return self.model_copy(update={"local_rank": local_rank, "local_rank_sha256": sha256})


def write_config(folder: Folder, name: str, config: Config) -> None:
    folder.write(name, text_of(config))


def read_config(folder: Folder, name: str, kind: type[Json]) -> Json:
    """One of the JSON files, exactly as it was written.

    Raises StoreError if it is missing or altered by even a space, FormatError if it is of another format.
    """
    return config_of(folder, name, kind, folder.read_all([name])[0])


def config_of(folder: Folder, name: str, kind: type[Json], data: bytes | StorageError) -> Json:
    """One of the JSON files that was read, or why it could not be. Raises StoreError, as above."""
    if isinstance(data, StorageError):
        raise StoreError(str(data)) from data
    try:
        value = json.loads(data)
        STORE.require(value, folder)
        config = kind.model_validate(value)
        same = data == text_of(config)
    except (ValidationError, ValueError, RecursionError) as error:
        raise StoreError(f"{folder / name} was altered or truncated: {error}") from error
    if not same:
        raise StoreError(f"{folder / name} was altered: it differs from what Preimage writes")
    return config


def find_config(folder: Folder, name: str, kind: type[Json]) -> Json | None:
    """The same, or None if there is no such file."""
    try:
        data = folder.find(name)
    except StorageError as error:
        raise StoreError(str(error)) from error
    return None if data is None else config_of(folder, name, kind, data)


def read_manifest(folder: Folder) -> Manifest:
    """The manifest of a complete store.

    Raises StoreError if there is no store, or it is incomplete or altered, FormatError if it is of another
    format.
    """
    manifest = find_config(folder, MANIFEST, Manifest)
    if manifest is None:
        if state(folder) == "absent":
            raise StoreError(f"there is no latent store at {folder.uri}; check the path")
        plan = read_config(folder, PLAN, StorePlan)
        done = len(finished(folder, plan))
        raise StoreError(f"{folder.uri} is incomplete: it has {done} of {plan.parts} parts; {AGAIN}")
    if manifest != Manifest.of(manifest.about, list(manifest.parts), manifest.local_rank):
        raise StoreError(f"{folder / MANIFEST} was altered: its digests do not match what it holds")
    return manifest


def state(folder: Folder) -> Literal["absent", "partial", "whole"]:
    """Whether a folder holds no latent store, an incomplete one, or a complete one."""
    names = file_sizes(folder)
    if MANIFEST in names:
        return "whole"
    return "partial" if PLAN in names else "absent"


def finished(folder: Folder, plan: StorePlan) -> dict[int, PartRecord]:
    """The parts whose file and record both exist and agree on the size; any other must be redone."""
    sizes = file_sizes(folder)
    named = map(RECORD.fullmatch, sizes)  # a plan may claim any number of parts
    written = sorted(index for each in named if each and (index := int(each[1])) < plan.parts)
    read = folder.read_all([record_name(index) for index in written])
    found = {index: _whole(folder, index, data, sizes) for index, data in zip(written, read, strict=True)}
    return {index: record for index, record in found.items() if record}


def finished_part(folder: Folder, index: int) -> PartRecord | None:
    """One part's record, or None if the part must be written: it is missing, damaged or of another size."""
    name = part_name(index)
    try:
        data = folder.find(record_name(index))
        return _whole(folder, index, data, {name: folder.size(name)}) if data else None
    except StorageError:
        return None


def _whole(
    folder: Folder, index: int, data: bytes | StorageError, sizes: dict[str, int]
) -> PartRecord | None:
    """The record that was read, if it is one, and its part has the size that it says."""
    try:
        record = config_of(folder, record_name(index), PartRecord, data)
    except StoreError:
        return None
    return record if record.file == part_name(index) and sizes.get(record.file) == record.bytes else None


def file_sizes(folder: Folder) -> dict[str, int]:
    """The size in bytes of every file, by name. Raises StoreError if the folder cannot be listed."""
    try:
        return {each.name: each.size for each in folder.entries() if each.is_file}
    except StorageError as error:
        raise StoreError(f"{error}; a latent store is a folder") from error


def text_of(config: Config) -> bytes:
    """As the JSON files hold it."""
    return as_json(config.model_dump(mode="json"))


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        return {prefix: json.dumps(value, ensure_ascii=False)}
    nested = [_flat(item, f"{prefix}.{name}" if prefix else str(name)) for name, item in value.items()]
    return {name: text for group in nested for name, text in group.items()}
