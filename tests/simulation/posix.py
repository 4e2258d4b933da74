"""A POSIX filesystem in memory that knows what a crash leaves of it.

Of every file it keeps the bytes that are cached and those that were synced; of every folder its entries,
those that were synced, and the changes since. Each change is one mutation, after which the whole disk is
recorded: a killed process does nothing more, so that one undisturbed run shows what is left by a kill at any
moment. Reads are no crash points: who is killed at a read leaves what the mutation before left.
"""

import errno
import io
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

import pyarrow as pa
from pyarrow import fs

from preimage.storage.file_locks import NAME as LOCK
from preimage.storage.local import LocalStorage, Posix
from preimage.storage.protocol import Attempt, Claim, Entry
from simulation.image import EMPTY, ROOT, FileNode, FolderNode, Image, Node, synced
from simulation.image import files as image_files


@dataclass(frozen=True)
class Mutation:
    """A change, and all that there is after it."""

    name: str
    path: str
    image: Any

    @property
    def is_visible(self) -> bool:
        """Whether other processes see it: a sync changes only what a loss of power leaves."""
        return not self.name.startswith("sync")


class Disk:
    """A disk and its mutations since it was loaded."""

    def __init__(self) -> None:
        self.storage = LocalStorage(SimulatedPosix(self), _NobodyToWaitFor(), is_local=False, scheme="sim://")
        self.trace: list[Mutation] = []
        self.before: Callable[[int, str], None] = lambda number, name: None
        """Called before each mutation with its number and its name; may raise OSError."""
        self.after: Callable[[int], None] = lambda number: None
        """Called after each mutation with its number."""
        self.lock = threading.RLock()
        self.load(EMPTY)

    def load(self, image: Image) -> None:
        """Begin with this content. No process is left that holds a lock."""
        self.nodes: dict[int, Node] = dict(image)
        self.trace, self.locked, self.numbers = [], set(), max(self.nodes) + 1
        self.count = 0

    def image(self) -> Image:
        return dict(self.nodes)

    @staticmethod
    def files(image: Image) -> dict[str, bytes]:
        """All files by path."""
        return image_files(image)

    @staticmethod
    def durable(image: Image) -> Image:
        """The same content, all of it synced."""
        return {number: synced(node) for number, node in image.items()}

    def find(self, path: str) -> int:
        """The number of a path's node. Raises FileNotFoundError, NotADirectoryError."""
        number = ROOT
        for name in path.strip("/").split("/") if path.strip("/") else []:
            node = self.nodes[number]
            if isinstance(node, FileNode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if name not in node.entries:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            number = node.entries[name]
        return number

    def folder(self, path: str) -> tuple[int, FolderNode]:
        number = self.find(path)
        node = self.nodes[number]
        if isinstance(node, FileNode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return number, node

    def file(self, path: str) -> FileNode:
        node = self.nodes[self.find(path)]
        if isinstance(node, FolderNode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return node

    def mutate(self, name: str, path: str, change: Callable[[], Mapping[int, Node]]) -> None:
        """Change some nodes, or raise what `before` or the change itself raises."""
        with self.lock:
            self.count += 1
            self.before(self.count - 1, name)
            self.nodes |= change()
            self.trace.append(Mutation(name, path, dict(self.nodes)))
            number = len(self.trace)
        self.after(number)

    def new(self, path: str, node: Node) -> Mapping[int, Node]:
        """The change that adds a node."""
        above, name = os.path.split(path)
        number, folder = self.folder(above)
        if name in folder.entries:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self.numbers += 1
        return {self.numbers: node, number: folder.changed({name: self.numbers})}

    def without(self, path: str) -> Mapping[int, Node]:
        """The change that removes a file, or an empty folder."""
        above, name = os.path.split(path)
        number, folder = self.folder(above)
        self.find(path)
        return {number: folder.changed({name: None})}


class SimulatedPosix(Posix):
    """The calls of `Posix` on a simulated disk."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    @property
    def filesystem(self) -> fs.FileSystem:
        return fs.PyFileSystem(_Handler(self))

    def create(self, path: str) -> BinaryIO:
        self.disk.mutate("create", path, lambda: self.disk.new(path, FileNode()))
        return cast(BinaryIO, io.BufferedWriter(_Stream(self.disk, path, self.disk.find(path)), 1 << 20))

    def sync(self, stream: BinaryIO) -> None:
        stream.flush()
        raw = cast(_Stream, cast(io.BufferedWriter, stream).raw)

        def change() -> Mapping[int, Node]:
            node = cast(FileNode, self.disk.nodes[raw.number])
            return {raw.number: replace(node, synced=node.data)}

        self.disk.mutate("sync", raw.path, change)

    def replace(self, path: str, new: str) -> None:
        folder, name, target = os.path.dirname(path), os.path.basename(path), os.path.basename(new)
        assert folder == os.path.dirname(new), "a rename from one folder to another"

        def change() -> Mapping[int, Node]:
            number, node = self.disk.folder(folder)
            if isinstance(self.disk.nodes.get(node.entries.get(target, -1)), FolderNode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), new)
            return {number: node.changed({name: None, target: node.entries[name]})}

        self.disk.mutate("rename", new, change)

    def make_folder(self, path: str) -> None:
        self.disk.mutate("mkdir", path, lambda: self.disk.new(path, FolderNode()))

    def sync_folder(self, path: str) -> None:
        if not self.disk.folder(path)[1].changes:
            return

        def change() -> Mapping[int, Node]:
            number, node = self.disk.folder(path)
            return {number: replace(node, synced=node.entries, changes=())}

        self.disk.mutate("sync folder", path, change)

    def read(self, path: str) -> bytes:
        return self.disk.file(path).data

    def info(self, path: str) -> Entry | None:
        try:
            node = self.disk.nodes[self.disk.find(path)]
        except (FileNotFoundError, NotADirectoryError):
            return None
        if isinstance(node, FolderNode):
            return Entry(os.path.basename(path), False)
        return Entry(os.path.basename(path), True, len(node.data), node.number * 1_000_000)

    def entries(self, path: str) -> list[Entry]:
        try:
            _, node = self.disk.folder(path)
        except FileNotFoundError:
            return []
        found = [self.info(f"{path}/{name}") for name in node.entries]
        return [each for each in found if each]

    def folders(self, path: str) -> list[str]:
        return [each.name for each in self.entries(path) if not each.is_file]

    def unlink(self, path: str) -> None:
        self.disk.file(path)
        self.disk.mutate("unlink", path, lambda: self.disk.without(path))

    def delete(self, path: str) -> None:
        for each in self.entries(path):
            (self.unlink if each.is_file else self.delete)(f"{path}/{each.name}")
        self.disk.mutate("rmdir", path, lambda: self.disk.without(path))

    def lock(self, path: str, who: dict[str, Any]) -> Attempt:
        """A lock dies with the process: whoever loads what it left finds the folder free."""
        place = f"{path}/{LOCK}"

        def attempt() -> Claim | dict[str, Any]:
            if path in self.disk.locked:
                return who
            if not self.info(place):
                self.create(place).close()
            self.disk.locked.add(path)
            return _Lock(self.disk, path)

        return attempt


class _NobodyToWaitFor:
    """The clock of the only process."""

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("the only process waits for another")

    def every(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


@dataclass(frozen=True)
class _Lock:
    disk: Disk
    path: str
    held: None = None

    def check(self) -> None: ...

    def release(self) -> None:
        self.disk.locked.discard(self.path)


class _Stream(io.RawIOBase):
    """Appends to a file."""

    def __init__(self, disk: Disk, path: str, number: int) -> None:
        self.disk, self.path, self.number, self.size = disk, path, number, 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        added = bytes(data)

        def change() -> Mapping[int, Node]:
            node = cast(FileNode, self.disk.nodes[self.number])
            return {self.number: replace(node, data=node.data + added, number=self.disk.count)}

        self.disk.mutate("write", self.path, change)
        self.size += len(added)
        return len(added)


class _Handler(fs.FileSystemHandler):
    """Answers pyarrow, which only reads."""

    def __init__(self, posix: SimulatedPosix) -> None:
        self.posix = posix

    def get_type_name(self) -> str:
        return "sim"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[fs.FileInfo]:
        return [_info(path, self.posix.info(path)) for path in paths]

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        assert not selector.recursive
        return [
            _info(f"{selector.base_dir}/{each.name}", each) for each in self.posix.entries(selector.base_dir)
        ]

    def open_input_stream(self, path: str) -> pa.NativeFile:
        return pa.BufferReader(self.posix.read(path))

    def open_input_file(self, path: str) -> pa.NativeFile:
        return pa.BufferReader(self.posix.read(path))

    def _refused(self, *_: Any) -> Any:
        raise NotImplementedError("files are written through Folder")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = delete_file = _refused
    move = copy_file = open_output_stream = open_append_stream = _refused


def _info(path: str, entry: Entry | None) -> fs.FileInfo:
    if entry is None:
        return fs.FileInfo(path, fs.FileType.NotFound)
    kind = fs.FileType.File if entry.is_file else fs.FileType.Directory
    return fs.FileInfo(path, kind, size=entry.size, mtime_ns=entry.modified_ns)
