"""The decoder of an autoencoder in diffusers' folder layout, where that package is installed."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from preimage.errors import GeneratorError
from preimage.extras import require

MODEL = "config.json"
KNOWN = ("AutoencoderKL", "AutoencoderTiny")


class ScaledDecoder(nn.Module):
    """Latents (n, c, h, w), scaled as diffusion models draw them, to images (n, C, H, W) in [-1, 1]."""

    def __init__(self, autoencoder: Any, scale: float, shift: float) -> None:
        super().__init__()
        self.decoder = autoencoder.decoder
        self.before = getattr(autoencoder, "post_quant_conv", None)
        self.scale, self.shift = scale, shift

    def forward(self, codes: Tensor) -> Tensor:
        latents = codes / self.scale + self.shift
        return self.decoder(latents if self.before is None else self.before(latents))


def read_decoder(folder: Path) -> tuple[nn.Module, int]:
    """The decoder in a folder, and the channels of its latents.

    Raises GeneratorError if diffusers is not installed, the folder holds another model, or its weights are
    pickled.
    """
    about = json.loads((folder / MODEL).read_text())
    name = about.get("_class_name")
    if name not in KNOWN:
        raise GeneratorError(
            f"{folder} holds a {name or 'model without a name'}: {' and '.join(KNOWN)} are read"
        )
    require(f"the model in {folder}", "diffusers", kind=GeneratorError)
    import diffusers  # pyright: ignore[reportMissingImports]

    try:
        model = getattr(diffusers, name).from_pretrained(
            str(folder), use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise GeneratorError(f"diffusers cannot load {folder}: {str(error).splitlines()[0]}") from error
    scale, shift = about.get("scaling_factor") or 1.0, about.get("shift_factor") or 0.0
    return ScaledDecoder(model, scale, shift), about["latent_channels"]
