"""Parquet files as Hugging Face's `datasets` writes them, by hand."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def metadata(**features: dict) -> dict[str, str]:
    return {"huggingface": json.dumps({"info": {"features": features}})}


def hf_table(
    images: list, labels: list | pa.Array | None = None, names: tuple[str, ...] = (), **columns: list
) -> pa.Table:
    """images: bytes, (bytes, path) or None."""
    pairs = [each if isinstance(each, tuple) else (each, None) for each in images]
    structs = [None if pair == (None, None) else dict(zip(IMAGE.names, pair, strict=True)) for pair in pairs]
    found = {"image": pa.array(structs, IMAGE)}
    features = {"image": {"_type": "Image"}}
    if labels is not None:
        found["label"] = pa.array(labels)
        if names:
            features["label"] = {"names": list(names), "_type": "ClassLabel"}
    return pa.table(
        found | {name: pa.array(values) for name, values in columns.items()}
    ).replace_schema_metadata(metadata(**features))


def write(path: Path, table: pa.Table, group: int = 1000, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group, **options)
    return path


def rows(source) -> list:
    """All samples of a source of pieces."""
    return [sample for piece in range(len(source.pieces)) for sample in source.read(piece)]
