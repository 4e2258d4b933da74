"""Maps of codes by principal components and by t-SNE."""

import numpy as np
import pytest
import torch

from browsed import draw
from preimage.browsing.projection import COMPONENTS, pca_map, principal, tsne_map
from preimage.latents.statistics import Moments


def test_principal_components_are_those_of_the_singular_value_decomposition():
    z = draw(200, 6) * torch.tensor([5.0, 3, 2, 1, 0.5, 0.1]) + 7
    found = principal(Moments.of(z.split(33)), 3)
    _, values, axes = torch.linalg.svd(z.double() - z.double().mean(0), full_matrices=False)
    assert torch.allclose(found.deviations, values[:3] / 199**0.5)
    assert torch.allclose((found.axes * axes[:3]).sum(1).abs(), torch.ones(3).double())
    assert (found.axes.gather(1, found.axes.abs().argmax(1, keepdim=True)) > 0).all()


def test_a_streamed_map_is_that_of_all_codes_at_once():
    z = draw(100, 5)
    streamed = pca_map(lambda: z.split(7), len(z))
    assert np.allclose(streamed, principal(Moments.of([z]), 2).of(z), atol=1e-6)
    assert np.var(streamed[:, 0]) > np.var(streamed[:, 1])


@pytest.mark.parametrize(("count", "dim"), [(1, 3), (3, 3), (5, 1)])
def test_few_codes_and_short_ones_have_a_map(count, dim):
    for found in (pca_map(lambda: [draw(count, dim)], count), tsne_map(draw(count, dim), 0)):
        assert found.shape == (count, 2)
        assert np.isfinite(found).all()


def test_tsne_sees_the_principal_components_of_long_codes():
    """Codes that are wide only in few directions have the same map as these directions alone."""
    narrow = torch.cat([draw(40, 5), torch.zeros(40, COMPONENTS)], 1)
    found = tsne_map(narrow, 0)
    assert found.shape == (40, 2)
    assert np.array_equal(found, tsne_map(narrow, 0))
