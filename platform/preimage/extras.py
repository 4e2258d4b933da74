"""Packages that Preimage can do without: which extra installs each, and one sentence where one is missing."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from preimage.errors import PreimageError

EXTRAS: Mapping[str, Mapping[str, str]] = {
    "platform": {
        "ray": "ray",
        "mlflow": "mlflow",
        "optuna": "optuna",
        "optuna-dashboard": "optuna_dashboard",
        "cmaes": "cmaes",
        "obstore": "obstore",
        "scikit-learn": "sklearn",
        "mlxtend": "mlxtend",
        "scipy": "scipy",
        "torchvision": "torchvision",
        "torch-fidelity": "torch_fidelity",
    },
    "browse": {"bokeh": "bokeh", "scikit-learn": "sklearn"},
    "onnx": {"onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime"},
    "": {"boto3": "boto3", "diffusers": "diffusers", "duckdb": "duckdb", "lmdb": "lmdb"},
}
"""The module of each package, by the extra that brings it; those of no extra are installed by their names.
`platform` brings those of `browse` too."""
_MODULES = {package: module for packages in EXTRAS.values() for package, module in packages.items()}
_PACKAGES = {module: package for package, module in _MODULES.items()}


def missing(packages: Iterable[str]) -> list[str]:
    """Those that are not installed. Imports none."""
    return [each for each in dict.fromkeys(packages) if not _is_installed(_MODULES[each])]


def require(what: str, *packages: str, kind: type[PreimageError] = PreimageError) -> None:
    """Raise an error of a kind that says what needs which packages, and how to install them, if one is
    missing. what: the beginning of a sentence, such as `an export to ONNX`."""
    if found := missing(packages):
        raise kind(sentence(what, found))


def sentence(what: str, packages: list[str]) -> str:
    """That something needs packages that are missing, and how to install them."""
    *some, last = packages
    named, are = (f"{', '.join(some)} and {last}", "are") if some else (last, "is")
    return f"{what} needs {named}, which {are} not installed: {command(packages)}"


def command(packages: Iterable[str]) -> str:
    """How to install packages."""
    alone = [each for each in packages if each in EXTRAS[""]]
    extras = _extras({*packages} - {*alone})
    return " ".join(["pip install", *([f"'preimage[{','.join(extras)}]'"] if extras else []), *alone])


def of_module(name: str | None) -> str | None:
    """The package, of those here, that brings a module."""
    return _PACKAGES.get((name or "").partition(".")[0])


def _extras(packages: set[str]) -> list[str]:
    """One extra that brings all if there is one, or else several."""
    named = [name for name in EXTRAS if name and EXTRAS[name].keys() & packages]
    if alone := [name for name in named if packages <= EXTRAS[name].keys()]:
        return alone[:1]
    return [name for name in named if not (name == "browse" and "platform" in named)]


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # imported, but without a record of where from
        return True
