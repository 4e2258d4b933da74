"""Check what a run needs from this machine, one finding at a time."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from uuid import uuid4

import psutil

from preimage.bfloat16 import TOLERATED, bfloat16_factor
from preimage.cli.doctor_plugins import brought
from preimage.cli.kept import census
from preimage.data.config import SOURCES, SourceKind
from preimage.data.sources.open import found
from preimage.errors import PreimageError, StorageError
from preimage.extras import command as command_for
from preimage.extras import missing
from preimage.storage.address import command, results_root, split_options
from preimage.storage.file_locks import Unclaimed
from preimage.storage.folder import Folder

GIB = 2**30
ENOUGH_DISK, ENOUGH_MEMORY = 5 * GIB, 4 * GIB
PACKAGES = ("preimage", "torch", "pyarrow", "ray", "mlflow", "optuna", "torchvision", "bokeh")


@dataclass(frozen=True)
class Finding:
    """One thing that was checked. A remedy says how to fix it; None means that it is fine."""

    what: str
    found: str
    remedy: str | None = None


def examine(results: str | None) -> Iterator[Finding]:
    """Check everything that a run needs."""
    yield _python()
    yield from map(_package, PACKAGES)
    yield _gpu()
    yield _precision()
    yield _memory()
    yield from _storage(results)
    yield _token()  # before _ray: Ray sets RAY_AUTH_MODE itself when it starts
    yield _ray()
    for name, kind in SOURCES.working()[0].items():
        yield Finding(f"data {name}", _place_of(name, kind))
    for each in brought():
        yield Finding("plugin", each.text, "; ".join(each.problems) or None)


def _place_of(name: str, kind: SourceKind) -> str:
    """Where a source's images are."""
    if kind.path in ("required", "pattern"):
        return "your own files, which data.path names"
    return found(name) or "not on this machine (preimage data list)"


def _python() -> Finding:
    number = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", number, None if fits else "use Python 3.11, 3.12 or 3.13")


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, f"not installed ({command_for([name])})")


def _gpu() -> Finding:
    import torch

    if torch.backends.mps.is_available():
        return Finding("GPU", "Apple's, which is not used: everything runs on the CPU")
    if not torch.cuda.is_available():
        return Finding("GPU", "none; everything runs on the CPU")
    return Finding("GPU", ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())))


def _precision() -> Finding:
    """Which precisions pay here, as measured now in a convolution of 64 channels."""
    factor = bfloat16_factor()
    verdict = "they pay" if factor < 1 else "they gain nothing" if factor <= TOLERATED else "use float32"
    found = f"bf16 and mixed take about {factor:.2g} times as long as float32 on the CPU: {verdict}"
    return Finding("precision", f"{found}; tf32 is for NVIDIA GPUs")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    text = f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free, {os.cpu_count()} cores"
    return Finding(
        "memory", text, None if memory.available > ENOUGH_MEMORY else "free some memory: Ray needs 4 GiB"
    )


def _storage(results: str | None) -> Iterator[Finding]:
    """Where results go, by which server; whether it can be read and written; and what keeps two processes
    from making the same run."""
    try:
        root = Folder.at(results_root(results))
    except StorageError as error:
        yield Finding("results", results or "?", f"{error}")
        return
    yield Finding("results", root.uri)
    yield from _server(root)
    probe, asked = root / f".doctor-{uuid4().hex}", "read"
    try:
        root.entries()
        yield Finding("results read", "yes")
        asked = "written"
        probe.write("probe", b"x")
        yield Finding("results written", "yes")
        asked = "claims"
        yield _claims(probe)
        probe.delete()
    except StorageError as error:
        yield Finding(f"results {asked}", "no", f"{error}")
        return
    yield from _formats(root)
    if root.is_local:
        free = psutil.disk_usage(root.path).free
        yield Finding(
            "disk",
            f"{free / GIB:.1f} GiB free",
            None if free > ENOUGH_DISK else "free some space: 5 GiB or more",
        )


def _formats(root: Folder) -> Iterator[Finding]:
    """What the results hold, and what of it another version has to open."""
    try:
        found = census(root)
    except StorageError as error:
        yield Finding("formats", "not all could be listed", str(error))
        return
    for each in found.kept:
        yield Finding(each.kind.title, each.text, each.remedy)
    if found.parts:
        yield Finding("formats", f"of {', '.join(found.parts)}, evenly over all names")


def _server(root: Folder) -> Iterator[Finding]:
    if root.uri.startswith("s3://"):
        from preimage.storage.bucket import server_of  # imported only if it is needed

        place, options = split_options(root.uri)
        server = server_of(place.removeprefix("s3://").partition("/")[0], options[1:])
        yield Finding("results server", f"{server.endpoint or 'Amazon S3'}, region {server.region}")


def _claims(folder: Folder) -> Finding:
    """Claim a folder, and let go of it."""
    claim = folder.claim({"pid": os.getpid()})()
    if isinstance(claim, dict | Unclaimed):
        found = "none: two processes could make the same run twice; start only one at a time"
        return Finding("results claims", found)
    claim.release()
    return Finding("results claims", "by conditional writes" if claim.held else "by file locks")


def _token() -> Finding:
    """The token that secures a Ray cluster, found the way Ray finds it."""
    mode, path = os.environ.get("RAY_AUTH_MODE", ""), _token_file()
    in_variable, in_file = bool(os.environ.get("RAY_AUTH_TOKEN")), path.is_file()
    found = f"RAY_AUTH_MODE={mode or 'unset'}, " + (
        "RAY_AUTH_TOKEN set" if in_variable else str(path) if in_file else "no token on this machine"
    )
    if mode == "token" and not (in_variable or in_file):
        return Finding(
            "Ray token", found, f"copy the cluster's token to {path}, or run: ray get-auth-token --generate"
        )
    cluster = os.environ.get("RAY_ADDRESS") or os.environ.get("RAY_API_SERVER_ADDRESS")
    if (in_variable or in_file) and cluster and mode != "token":
        return Finding("Ray token", found, "export RAY_AUTH_MODE=token: without it the token is not sent")
    if in_file and path.stat().st_mode & 0o077:
        return Finding("Ray token", f"{found}, readable by other users", command("chmod", "600", path))
    return Finding("Ray token", found)


def _token_file() -> Path:
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()


def _ray() -> Finding:
    if missing(["ray"]):
        return Finding("Ray", "not installed: jobs run in this process, with resources.backend=local")
    from preimage.cluster.connect import connect

    try:
        connect()
    except PreimageError as error:
        return Finding("Ray", "does not start", str(error))
    import ray

    has = ray.cluster_resources()
    where = os.environ.get("RAY_ADDRESS", "started here")
    text = f"{where}: {has.get('CPU', 0):g} CPUs, {has.get('GPU', 0):g} GPUs, {len(ray.nodes())} node(s)"
    ray.shutdown()
    return Finding("Ray", text)
