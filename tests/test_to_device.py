"""Copies to a device. No GPU is at hand: fake tensors stand for those on one."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from preimage.to_device import to_device


def test_a_tensor_that_is_there_is_not_copied():
    tensor = torch.arange(6)
    assert to_device(tensor, torch.device("cpu")) is tensor


@pytest.mark.parametrize("tensor", [torch.zeros(2, 3), torch.zeros(0, 3), torch.zeros(4, dtype=torch.uint8)])
def test_a_gpu_gets_it_pinned_and_without_waiting(tensor, monkeypatch):
    copies = []

    class Pinned:
        def to(self, device: torch.device, non_blocking: bool) -> str:
            copies.append((device, non_blocking))
            return "there"

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda own: Pinned())
    assert to_device(tensor, torch.device("cuda", 0)) == "there"
    assert copies == [(torch.device("cuda", 0), True)]


def test_what_a_gpu_has_is_not_pinned():
    with FakeTensorMode():
        tensor = torch.empty(2, 3, device="cuda:0")
        assert to_device(tensor, torch.device("cuda", 0)).device == torch.device("cuda", 0)
