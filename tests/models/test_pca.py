"""Principal components by streaming, against float64 singular value decompositions of the whole."""

from threading import Barrier, Thread

import pytest
import torch

from preimage.data.pixels import to_float
from preimage.errors import PreimageError
from preimage.models import pca
from preimage.models.pca import principal_components
from preimage.models.pca_size import require_possible


def stream(images, rows=64):
    """Batches that count how often they were asked for."""

    def batches():
        batches.passes += 1
        yield from images.split(rows)

    batches.passes = 0
    return batches


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whole(images):
    """Mean, variances and directions of images (n, C, H, W), all of them, in float64."""
    rows = images.double().flatten(1)
    mean = rows.mean(0)
    _, sizes, directions = torch.linalg.svd(rows - mean, full_matrices=False)
    return mean, sizes.square() / (len(rows) - 1), directions


def assert_orthonormal(components):
    assert torch.allclose(components @ components.T, torch.eye(len(components)), atol=1e-6)


@pytest.fixture(scope="module")
def photographs():
    """Images (300, 3, 8, 8) whose spectrum falls like that of photographs."""
    scales = torch.arange(1, 193, dtype=torch.float64) ** -1.0
    directions = torch.linalg.qr(noise(192, 192, seed=1))[0]
    return ((noise(300, 192) * scales) @ directions * 0.3 + 0.1).float().view(300, 3, 8, 8)


@pytest.mark.parametrize("d", [1, 7, 40])
def test_they_are_the_leading_singular_vectors(photographs, d):
    found = principal_components(stream(photographs), d)
    mean, variances, directions = whole(photographs)
    assert torch.allclose(found.mean.double(), mean, atol=1e-6)
    assert torch.allclose(found.variances, variances[:d], rtol=1e-5)
    assert found.total == pytest.approx(variances.sum().item(), rel=1e-6)
    assert found.explained == pytest.approx((variances[:d].sum() / variances.sum()).item(), rel=1e-6)
    assert found.count == 300
    assert_orthonormal(found.components)
    same = (found.components.double() * directions[:d]).sum(1)
    assert torch.allclose(same.abs(), torch.ones(d, dtype=torch.float64), atol=1e-4)
    assert (found.components.dtype, found.variances.dtype) == (torch.float32, torch.float64)


def test_scores_are_coordinates_and_their_variances_are_the_variances(photographs):
    found = principal_components(stream(photographs), 5)
    scores = found.scores(photographs)
    assert torch.equal(scores, found.scores(photographs.flatten(1)))
    centred = photographs.flatten(1).double() - photographs.flatten(1).double().mean(0)
    assert torch.allclose(scores.double(), centred @ found.components.double().T, atol=1e-5)
    assert torch.allclose(scores.double().T.cov(), found.variances.diag(), atol=1e-6)


def test_the_largest_entry_of_every_component_is_positive(photographs):
    components = principal_components(stream(photographs), 30).components
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()


def test_images_of_few_dimensions_are_reconstructed_exactly():
    directions = torch.linalg.qr(noise(256, 3))[0].T
    images = (0.2 + noise(50, 3, seed=1) @ directions).float().view(50, 1, 16, 16)
    found = principal_components(stream(images), 3)
    again = found.mean + found.scores(images) @ found.components
    assert torch.allclose(again, images.flatten(1), atol=1e-5)
    assert found.explained == pytest.approx(1, abs=1e-6)


def test_digits_take_a_few_passes(digits):
    images = to_float(digits.read(0, 200).pixels)
    batches, told = stream(images), []
    found = principal_components(batches, 20, on_progress=told.append)
    _, variances, _ = whole(images)
    assert found.variances.sum().item() == pytest.approx(variances[:20].sum().item(), rel=1e-6)
    assert found.passes == batches.passes <= 6
    assert told == list(range(1, found.passes + 1))


@pytest.mark.parametrize("blocks", [2, 8])
def test_a_flat_spectrum_takes_longer_and_memory_stays_bounded(monkeypatch, blocks):
    """White noise has no leading directions to speak of, so old ones are forgotten on the way."""
    monkeypatch.setattr(pca, "BLOCKS", blocks)
    widest, grown = [0], pca._Space.grown

    def watched(self, block, product):
        larger = grown(self, block, product)
        widest[0] = max(widest[0], larger.basis.shape[1])
        return larger

    monkeypatch.setattr(pca._Space, "grown", watched)
    images = noise(400, 1, 16, 16).float()
    found = principal_components(stream(images), 4)
    _, variances, _ = whole(images)
    assert found.variances.sum().item() == pytest.approx(variances[:4].sum().item(), rel=1e-4)
    assert widest[0] <= (blocks + 1) * (4 + pca.SPARE)


@pytest.mark.parametrize("rows", [100, 18, 300])
def test_how_the_images_are_batched_changes_nothing(photographs, rows):
    one, other = (principal_components(stream(photographs, each), 6) for each in (64, rows))
    assert torch.allclose(one.components, other.components, atol=1e-4)
    assert torch.allclose(one.variances, other.variances, rtol=1e-6)
    assert torch.allclose(one.mean, other.mean, atol=1e-6)


def test_one_seed_gives_one_result_and_another_the_same_components(photographs):
    one, again, other = (principal_components(stream(photographs), 6, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.components, again.components)
    assert not torch.equal(one.components, other.components)
    assert torch.allclose(one.components, other.components, atol=1e-3)


def test_two_workers_find_what_one_finds(photographs):
    barrier, shares, results = Barrier(2), [torch.empty(0), torch.empty(0)], {}

    def work(rank, images):
        def reduce(share):
            shares[rank] = share
            barrier.wait()
            total = shares[0] + shares[1]
            barrier.wait()
            return total

        results[rank] = principal_components(stream(images), 6, reduce=reduce)

    threads = [Thread(target=work, args=each) for each in enumerate(photographs.split(170))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)
    alone = principal_components(stream(photographs), 6)
    for found in results[0], results[1]:
        assert torch.equal(found.components, results[0].components)
        assert torch.allclose(found.components, alone.components, atol=1e-4)
        assert torch.allclose(found.variances, alone.variances, rtol=1e-6)
        assert torch.allclose(found.mean, alone.mean, atol=1e-6)
        assert found.total == pytest.approx(alone.total, rel=1e-9)
        assert found.count == 300


@pytest.mark.parametrize(("n", "side", "d"), [(10, 4, 9), (50, 3, 9), (2, 4, 1)])
def test_as_many_components_as_there_are(n, side, d):
    images = noise(n, 1, side, side).float()
    found = principal_components(stream(images), d)
    _, variances, _ = whole(images)
    assert found.explained == pytest.approx(1, abs=1e-6)
    assert torch.allclose(found.variances, variances[:d], rtol=1e-4)
    assert_orthonormal(found.components)


def test_components_beyond_the_rank_have_no_variance():
    images = noise(2, 1, 4, 4).float()[torch.arange(20) % 2]
    found = principal_components(stream(images), 14)
    assert_orthonormal(found.components)
    assert found.variances[0].item() == pytest.approx(found.total, rel=1e-5)
    assert (found.variances >= 0).all()
    assert found.variances[1:].max() < 1e-6 * found.total


def test_images_that_are_all_the_same_have_no_variance():
    found = principal_components(stream(torch.full((20, 1, 4, 4), 0.3)), 3)
    assert_orthonormal(found.components)
    assert (found.total, found.explained) == (0, 1)
    assert found.variances.max() < 1e-12
    assert torch.allclose(found.mean, torch.full((16,), 0.3))


@pytest.mark.parametrize(("n", "d", "most"), [(50, 17, 16), (10, 10, 9)])
def test_more_components_than_there_are_is_refused_after_one_pass(n, d, most):
    batches = stream(noise(n, 1, 4, 4).float())
    told = f"have at most {most} principal .* but the latent dimension is {d}.*dimension of {most} or less"
    with pytest.raises(PreimageError, match=told):
        principal_components(batches, d)
    assert batches.passes == 1


def test_too_few_images_are_refused():
    with pytest.raises(PreimageError, match=r"1 images of 16 .* Use more images"):
        principal_components(stream(noise(1, 1, 4, 4).float()), 1)
    with pytest.raises(PreimageError, match="but got none"):
        principal_components(lambda: iter(()), 1)


def test_what_is_possible_where_the_number_of_images_is_not_known():
    require_possible(16, None, 16)
    with pytest.raises(PreimageError, match="images of 16 pixels, channels included, have at most 16"):
        require_possible(17, None, 16)
