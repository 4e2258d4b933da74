"""The precision of float32 products, and that it is as before afterwards."""

from typing import Any

import pytest
import torch
from torch import Tensor

from preimage.float32 import float32_products, set_float32_products


@pytest.fixture(autouse=True)
def _process_as_before():
    with float32_products("ieee"):
        yield


def _flags() -> tuple[str, ...]:
    backends: Any = torch.backends
    gpu = backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn
    return tuple(kind.fp32_precision for kind in (*gpu, backends.mkldnn.matmul, backends.mkldnn.conv))


def _older_flags() -> tuple[object, ...]:
    """torch raises if they contradict the newer ones."""
    allowed = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    return *allowed, torch.get_float32_matmul_precision()


@pytest.mark.parametrize("chosen", ["highest", "high", "medium"])
@pytest.mark.parametrize("cudnn", [True, False])
@pytest.mark.parametrize("precision", ["ieee", "tf32"])
def test_a_precision_holds_inside_and_is_as_before_afterwards(chosen, cudnn, precision):
    torch.set_float32_matmul_precision(chosen)
    torch.backends.cudnn.allow_tf32 = cudnn
    before, older = _flags(), _older_flags()
    with float32_products(precision):
        assert set(_flags()) == {precision}
        assert _older_flags()[0] == (precision == "tf32")
    assert (_flags(), _older_flags()) == (before, older)


def test_ieee_is_exact_where_the_process_allows_bfloat16():
    torch.set_float32_matmul_precision("medium")
    random = torch.Generator().manual_seed(1)
    a = torch.randn(256, 256, generator=random)
    with float32_products("ieee"):
        assert _error(a) < 1e-6


def test_nested_precisions_end_in_their_own_order():
    with float32_products("tf32"):
        with float32_products("ieee"):
            assert set(_flags()) == {"ieee"}
        assert set(_flags()) == {"tf32"}


def test_a_process_may_set_it_once():
    set_float32_products("ieee")
    assert set(_flags()) == {"ieee"}


def _error(a: Tensor) -> float:
    exact = a.double() @ a.double()
    return ((a @ a - exact).norm() / exact.norm()).item()
