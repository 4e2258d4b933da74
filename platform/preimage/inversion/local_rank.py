"""How an image changes with its code: the eigenvalues behind `latents.local_rank`."""

import torch
from torch import Tensor, nn

from preimage.inversion.conditioning import squares
from preimage.inversion.labels import classes_of, spread_labels
from preimage.latents.priors import Prior
from preimage.random_streams import Stream


def rank_eigenvalues(
    generator: nn.Module, prior: Prior, codes: Tensor, labels: Tensor | None, seed: int
) -> dict[str, Tensor]:
    """`jacobian_eigenvalues` at codes that were `found` (n, d), with their labels (n,) if the generator is
    conditional, and at as many draws of its `prior`. Raises NoJacobianError."""
    drawn = prior.sample(len(codes), Stream.RANK_CODES.generator(seed)).to(codes.device)
    spread = spread_labels(len(codes), classes_of(generator), codes.device)
    return {
        "found": jacobian_eigenvalues(generator, codes, labels),
        "prior": jacobian_eigenvalues(generator, drawn, spread),
    }


@torch.inference_mode(False)
def jacobian_eigenvalues(generator: nn.Module, codes: Tensor, labels: Tensor | None = None) -> Tensor:
    """Eigenvalues (n, d) float64, ascending, of J J^T / pixels at codes (n, d), J (d, pixels) the Jacobian.

    A step of length s along an eigenvector changes the image's values by s times the root of its eigenvalue,
    in root mean square. labels: (n,) int64, for a conditional generator. Codes where the Jacobian is not
    finite are left out. Costs 1 + d generator evaluations a code. Raises NoJacobianError.
    """
    found = [torch.zeros(0, codes.shape[1], dtype=torch.float64)]
    for square in squares(generator, codes, labels):
        square = square[square.flatten(1).isfinite().all(1)]
        found.append(torch.linalg.eigvalsh(square).clamp_min(0).cpu())
    return torch.cat(found)
