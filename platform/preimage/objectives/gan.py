"""The GAN losses (Goodfellow et al. 2014), on logits."""

import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real: Tensor, generated: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))), averaged over the batch. Logits (N,) to a scalar."""
    return F.softplus(-real).mean() + F.softplus(generated).mean()


def generator_loss(generated: Tensor) -> Tensor:
    """-log D(G(z)), the non-saturating loss, averaged over the batch. Logits (N,) to a scalar."""
    return F.softplus(-generated).mean()
