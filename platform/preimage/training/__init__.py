"""The training loop: workers, batches, checkpoints, finite checks. Only `on_ray` imports Ray."""
