"""A generator as MLflow's pyfunc flavour loads it: MLflow imports this module, which needs no MLflow."""

from typing import Any

import numpy as np
import torch
from torch import nn

from preimage.inversion.labels import classes_of, generate
from preimage.models.generator_folder import load_generator


class GeneratorModel:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, generator: nn.Module) -> None:
        self.generator = generator

    @torch.no_grad()
    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        """Images (N, C, H, W) float32 in [-1, 1].

        model_input: codes (N, d) float32; for a class-conditional generator {"codes": ..., "labels": (N,)
        int64}. MLflow has checked both against the model's signature.
        """
        given = model_input if classes_of(self.generator) else {"codes": model_input}
        tensors = {name: torch.from_numpy(np.array(each)) for name, each in given.items()}
        return generate(self.generator, tensors["codes"], tensors.get("labels")).numpy()


def _load_pyfunc(path: str) -> GeneratorModel:
    """The model of a generator's folder: what MLflow calls. Raises GeneratorError."""
    return GeneratorModel(load_generator(path)[0])
