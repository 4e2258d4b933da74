"""The probe that measures whether bfloat16 pays. Nothing here is timed."""

import torch

from preimage import bfloat16


def test_the_probe_computes_on_one_thread_and_leaves_the_others(monkeypatch):
    seen: list[int] = []

    def seconds(layers, maps):
        seen.append(torch.get_num_threads())
        return 2.0 if maps.dtype is torch.bfloat16 else 1.0

    monkeypatch.setattr(bfloat16, "_seconds", seconds)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert bfloat16.bfloat16_factor.__wrapped__() == 2.0
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}
