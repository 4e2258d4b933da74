"""Moments over all workers."""

import torch

from preimage.latents.statistics import Moments
from preimage.training.worker import Worker


def over_workers(worker: Worker, own: Moments) -> Moments:
    """The moments of all workers' codes together, on each worker."""
    count = torch.tensor(float(own.count), dtype=torch.float64)
    parts = (worker.sum(each.to(worker.device)).cpu() for each in (count, own.total, own.gram))
    count, total, gram = parts
    return Moments(int(count), total, gram)
