"""The denoiser against what is known in closed form of the best one."""

import pytest
import torch

from preimage.models.denoiser import build_denoiser
from preimage.objectives.dfm import denoising_loss, feature_loss

MEAN = torch.tensor([1.0, -0.5, 0.0, 2.0])
ROOT = torch.tensor([[1.5, 0, 0, 0], [0.7, 0.8, 0, 0], [0, -0.5, 1.0, 0], [0.2, 0, 0.4, 0.3]])


def features(count: int, seed: int) -> torch.Tensor:
    """Of N(MEAN, ROOT ROOT^T)."""
    random = torch.Generator().manual_seed(seed)
    return MEAN + torch.randn(count, 4, generator=random) @ ROOT.T


def off_the_score(denoiser: torch.nn.Module, sigma: float) -> float:
    """How far r(h) - h is from sigma^2 d log q(h) / dh, relative to that; q: the density of the corrupted
    features (section 3): for a Gaussian sigma^2 d log q(h) / dh = -sigma^2 (S + sigma^2 I)^-1 (h - m)."""
    h = features(2000, seed=-1)
    covariance = ROOT @ ROOT.T + sigma**2 * torch.eye(4)
    step = -(sigma**2) * torch.linalg.solve(covariance, (h - MEAN).T).T
    with torch.no_grad():
        return float((denoiser.eval()(h) - h - step).norm() / step.norm())


@pytest.mark.parametrize("sigma", [1.0, 0.5])
def test_the_best_affine_denoiser_steps_along_the_score(sigma):
    denoiser = build_denoiser(4, 0, 0, seed=0)
    h = features(200_000, seed=1)
    corrupted = h + sigma * torch.randn(h.shape, generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.LBFGS(denoiser.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = denoising_loss(h, denoiser(corrupted))
        loss.backward()
        return loss

    optimizer.step(closure)
    assert off_the_score(denoiser, sigma) < 0.02


def test_a_deep_denoiser_trained_on_batches_steps_along_the_score():
    denoiser = build_denoiser(4, 64, 2, seed=0)
    optimizer = torch.optim.Adam(denoiser.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1500)
    random = torch.Generator().manual_seed(1)
    for number in range(1500):
        h = features(512, number)
        optimizer.zero_grad()
        denoising_loss(h, denoiser(h + torch.randn(h.shape, generator=random))).backward()
        optimizer.step()
        schedule.step()
    assert off_the_score(denoiser, 1.0) < 0.12


def test_width_and_depth_are_those_of_the_hidden_layers():
    denoiser = build_denoiser(6, 10, 3, seed=0)
    kinds = [type(layer).__name__ for layer in denoiser.layers]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU"] * 3 + ["Linear"]
    sizes = [tuple(p.shape) for name, p in denoiser.named_parameters() if "weight" in name and p.ndim == 2]
    assert sizes == [(10, 6), (10, 10), (10, 10), (6, 10)]


def test_the_losses_are_the_papers():
    """Both sum over features; the target of equation 4's first term is constant."""
    h = torch.tensor([[1.0, 2.0], [3.0, 5.0]], requires_grad=True)
    r = torch.tensor([[0.0, 2.0], [3.0, 1.0]], requires_grad=True)
    assert denoising_loss(h, r).item() == (1 + 16) / 2
    loss = feature_loss(h, r)
    assert loss.item() == (1 + 16) / 2
    loss.backward()
    assert r.grad is None
    assert torch.equal(h.grad, torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
