"""Looking into a latent space: decoding codes over the bare network."""

import statistics
import time

import torch
from torch import nn

from preimage.browsing.decoder import Decoder
from preimage.browsing.subject import Subject
from preimage.data.pixels import to_uint8
from preimage.latents.priors import Normal
from preimage.models.build import build_generator
from preimage.models.config import DcganConfig

from .measure import Measurement, in_turn, measured

SIZES = {28: 20, 64: 100}
"""Components by side in pixels."""
LIMIT = 100
"""Milliseconds that a decode may take."""


def decode(quick: bool) -> list[Measurement]:
    """Pictures of 1 and of 16 codes by a DCGAN, one thread: processor time of the bare network in eval mode
    over that of the page's decoder, bytes included in both; and the decoder's milliseconds."""
    torch.set_num_threads(1)
    found = []
    for size, dim in SIZES.items():
        torch.manual_seed(0)
        channels = 1 if size < 64 else 3
        config = DcganConfig(latent_dim=dim, prior="normal", image_size=size, channels=channels)
        network = build_generator(config).eval()
        decoder = Decoder(Subject("random", None, network, None, None, {"normal": Normal(dim)}, ()))
        for count in (1, 16):
            found += _rows(f"browse.decode.{size}px.{count}", network, decoder, count, quick)
    return found


def _rows(name: str, network: nn.Module, decoder: Decoder, count: int, quick: bool) -> list[Measurement]:
    codes = torch.randn(count, decoder.latent_dim)
    given = codes.numpy()

    @torch.no_grad()
    def bare() -> object:
        return to_uint8(network(codes)).permute(0, 2, 3, 1).contiguous().numpy()

    pairs = in_turn(bare, lambda: decoder.images(given), 5 if quick else 31, clock=time.process_time)
    ours = [1000 * own for _, own in pairs]
    low, middle, high = statistics.quantiles(ours, n=4, method="inclusive")
    seconds = Measurement(f"{name}.ms", middle, "ms", low, high, LIMIT, at_most=True, clock="processor")
    return [measured(name, [other / own for other, own in pairs], "x", 0.8, clock="processor"), seconds]
