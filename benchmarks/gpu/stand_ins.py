"""Stand-ins for packages that the measured code imports and never calls here.

Preimage's folders, datasets and plots import pyarrow, safetensors, Pillow, matplotlib and psutil at their
top; a step of training or inversion needs none of them, and an image of PyTorch may lack them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

REPLACED = ("pyarrow", "safetensors", "PIL", "matplotlib", "psutil")


_importing: list[str] = []
"""The packages that are missing, while preimage is imported."""


class _Absent(type):
    """A class of which any attribute is another one; so is what a call returns while modules are imported."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _absent(f"{cls.__module__}.{name}")

    def __call__(cls, *_: Any, **__: Any) -> Any:
        if _importing:
            return _absent(f"{cls.__module__}.{cls.__name__}")
        raise ModuleNotFoundError(f"{cls.__module__} is not installed here, and this needs it")


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _absent(f"{self.__name__}.{name}")


class _Finder(Loader):
    """Finds what nobody else does, of the packages named."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] in self.names else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""


@contextmanager
def stand_ins() -> Iterator[list[str]]:
    """While preimage is imported: yields the packages that are missing. Afterwards nobody else finds them."""
    missing = [name for name in REPLACED if find_spec(name) is None]
    finder = _Finder(missing)
    sys.meta_path.append(finder)
    _importing.extend(missing)
    try:
        yield missing
    finally:
        sys.meta_path.remove(finder)
        _importing.clear()
        for name in [each for each in sys.modules if each.split(".")[0] in missing]:
            del sys.modules[name]


def _absent(name: str) -> Any:
    module, _, own = name.rpartition(".")
    return _Absent(own, (Exception,), {"__module__": module})  # an exception: modules catch some of them
