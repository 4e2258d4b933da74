"""Build a generator from its config."""

from torch import nn

from preimage.models.config import DcganConfig, GeneratorConfig, LinearConfig
from preimage.models.dcgan import Generator
from preimage.models.linear import LinearGenerator


def build_generator(config: GeneratorConfig) -> nn.Module:
    """A generator of this architecture, without loaded weights. Raises TypeError for an unknown one."""
    if isinstance(config, DcganConfig):
        return Generator(config)
    if isinstance(config, LinearConfig):
        return LinearGenerator(config)
    raise TypeError(f"no generator is known for {type(config).__name__}")
