"""uint8 to floats and back."""

import torch

from preimage.data.pixels import to_float, to_uint8


def test_round_trip_of_every_value():
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    floats = to_float(pixels)
    assert floats.dtype == torch.float32
    assert (floats.min(), floats.max()) == (-1, 1)
    assert torch.equal(to_uint8(floats), pixels)
    assert pixels.flatten().tolist() == list(range(256))  # not changed in place


def test_values_outside_are_clipped_and_halves_are_rounded():
    images = torch.tensor([-3.0, 3.0, 0.001])
    assert to_uint8(images).tolist() == [0, 255, 128]
    assert images.tolist()[0] == -3.0  # not changed in place


def test_half_precision_is_taken():
    assert to_uint8(torch.tensor([1.0, -1.0], dtype=torch.bfloat16)).tolist() == [255, 0]
