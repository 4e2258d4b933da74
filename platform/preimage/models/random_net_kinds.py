"""What random networks are made of, by the names in specs."""

from typing import Literal

Activation = Literal["relu", "leaky-relu", "sigmoid", "tanh"]
WeightLaw = Literal["normal", "uniform", "theorem", "uniform-zero-mean", "rademacher"]
