"""What must be exact is computed in IEEE float32 where the process allows TF32, as a training does."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from preimage.float32 import float32_products
from preimage.inversion.conditioning import squares
from preimage.inversion.config import InversionConfig
from preimage.inversion.engine import Engine, invert
from preimage.inversion.measurements import MeasurementConfig, make_measurement
from preimage.jobs.sampling import make_images
from preimage.latents.fitted import Network as FittedNetwork
from preimage.latents.mixture import Mixture
from preimage.latents.priors import Gaussian, Normal
from preimage.metrics.duplicates import nearest
from preimage.metrics.reconstruction import _Sums
from preimage.models.pca import _product
from preimage.models.scorer import Scorer
from small_nets import Expanding, seeded

CONVOLUTION: Any = torch.backends.cudnn
PRODUCT: Any = torch.backends.cuda.matmul


@pytest.fixture(autouse=True)
def _a_process_that_allows_tf32() -> Iterator[None]:
    with float32_products("ieee"), float32_products("tf32"):
        yield


class _Precisions(TorchDispatchMode):
    """The precisions that products of float32 tensors were computed in."""

    PRODUCTS = frozenset({"mm", "addmm", "bmm", "baddbmm", "mv", "convolution", "linear", "matmul"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        narrow = any(isinstance(each, Tensor) and each.dtype == torch.float32 for each in args)
        if func.overloadpacket.__name__ in self.PRODUCTS and narrow:
            self.seen |= {PRODUCT.fp32_precision, CONVOLUTION.conv.fp32_precision}
        return func(*args, **(kwargs or {}))


def _score() -> Any:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    scorer = Scorer(network, "score", "distance", "", {}, ())
    return scorer(seeded(2, 1, 8, 8))  # a linear layer takes no bytes


CPU = torch.device("cpu")
GAUSSIAN = Gaussian(torch.zeros(3), torch.eye(3))
OPERATOR = make_measurement(MeasurementConfig(operator="gaussian", rate=0.5), (1, 8, 8))
SEARCH = InversionConfig(steps=3, init_codes="small-normal")
EXACT: dict[str, Callable[[], Any]] = {
    "engine": lambda: Engine(Expanding(), SEARCH, Normal(3)),
    "invert": lambda: invert(Expanding(), seeded(2, 1, 8, 8), seeded(2, 3), SEARCH),
    "spectra": lambda: list(squares(Expanding(), seeded(9, 3), measurement=OPERATOR)),
    "observe": lambda: OPERATOR.observe(seeded(2, 1, 8, 8), torch.arange(2)),
    "images": lambda: make_images(Expanding(), seeded(2, 3)),
    "gaussian": lambda: GAUSSIAN.sample(4, torch.Generator()),
    "mixture": lambda: Mixture(torch.ones(1), torch.zeros(1, 3), torch.eye(3)[None]).sample(
        4, torch.Generator()
    ),
    "network prior": lambda: FittedNetwork((torch.eye(3),), (torch.zeros(3),), 1.0).of(seeded(2, 3)),
    "components": lambda: _product(lambda: iter([seeded(4, 1, 2, 2)]), torch.zeros(4), torch.eye(4).double()),
    "reconstruction": lambda: _Sums(SimpleNamespace(shape=(1, 8, 8)), CPU).add(  # type: ignore[arg-type]
        Expanding(), seeded(2, 3), seeded(2, 1, 8, 8)
    ),
    "duplicates": lambda: nearest(seeded(5, 8)),
    "scores": _score,
}


@pytest.mark.parametrize("name", EXACT)
def test_products_are_as_ieee_says_and_the_process_is_as_before(name):
    with _Precisions() as found:
        EXACT[name]()
    assert found.seen == {"ieee"}
    assert (PRODUCT.fp32_precision, CONVOLUTION.conv.fp32_precision) == ("tf32", "tf32")


def test_between_two_codes_spectra_leave_the_process_as_it_is():
    found = squares(Expanding(), seeded(9, 3))
    with _Precisions() as precisions:
        for _ in found:
            assert PRODUCT.fp32_precision == "tf32"
    assert precisions.seen == {"ieee"}


class Rounding(nn.Module):
    """A generator whose products are what a GPU makes of them: TF32 keeps 10 bits of a factor's 23."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Expanding()

    def forward(self, codes: Tensor) -> Tensor:
        if PRODUCT.fp32_precision != "tf32":
            return self.inner(codes)
        factors = (self.inner.first, self.inner.second)
        hidden = nn.functional.leaky_relu(_rounded(codes) @ _rounded(factors[0]).T, 0.2)
        return torch.tanh(_rounded(hidden) @ _rounded(factors[1]).T / 2).view(-1, 1, 8, 8)


def _rounded(factor: Tensor) -> Tensor:
    """To 10 bits; gradients pass as if it were exact."""
    bits = (factor.detach().contiguous().view(torch.int32) + (1 << 12)) & ~((1 << 13) - 1)
    return factor + (bits.view(torch.float32) - factor).detach()


def test_recovery_is_the_same_bits_under_tf32():
    codes = seeded(8, 3, seed=9)
    with torch.no_grad():
        exact, rough = Expanding()(codes), Rounding()(codes)
    assert (rough - exact).abs().max() > 1e-4, "TF32 must matter, or this shows nothing"
    found = invert(Rounding(), exact, torch.zeros(8, 3))
    with float32_products("ieee"):
        expected = invert(Rounding(), exact, torch.zeros(8, 3))
    assert torch.equal(found.z, expected.z)
    assert torch.equal(found.passes, expected.passes)
