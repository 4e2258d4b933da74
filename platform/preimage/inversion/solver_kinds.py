"""The built-in solvers as configs name them. Each is imported when it is made: a spec needs only its kind."""

from collections.abc import Callable
from importlib import import_module

from preimage.inversion.solvers import Solver, SolverKind, SolverSetup


def _made_by(module: str, function: str) -> Callable[[SolverSetup], Solver]:
    return lambda setup: getattr(import_module(f"preimage.inversion.{module}"), function)(setup)


GRADIENT_DESCENT = SolverKind(
    _made_by("descent", "gradient_descent"), takes_whitening=True, lr=1.0, steps=2000, patience=200
)
MOMENTUM = SolverKind(_made_by("descent", "momentum"), takes_whitening=True, lr=0.1, steps=1000, patience=100)
RMSPROP = SolverKind(_made_by("descent", "rmsprop"), takes_whitening=True, lr=0.02, steps=500, patience=50)
ADAM = SolverKind(_made_by("descent", "adam"), takes_whitening=True, lr=0.05, steps=500, patience=50)
LBFGS = SolverKind(
    _made_by("lbfgs", "lbfgs"),
    steps=60,
    patience=15,
    whiten=True,
    takes_whitening=True,
    takes_bfloat16=False,  # its line search compares losses too finely
)
GAUSS_NEWTON = SolverKind(
    _made_by("gauss_newton", "gauss_newton"), steps=400, patience=60, squares_only=True, takes_bfloat16=False
)
LEVENBERG_MARQUARDT = SolverKind(
    _made_by("levenberg", "levenberg_marquardt"), steps=60, patience=15, squares_only=True
)
"""It measures coordinates of its own at every step."""
