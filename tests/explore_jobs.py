"""An explore job of digits, small enough for tests."""

from preimage.jobs.explore.job import ExploreJob

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 200}
DIM = 6
QUICK = {"solver": "lbfgs", "whiten": False, "steps": 30, "init_codes": "prior"}
TINY = {
    "generator": "g", "store": "s", "samples": 5, "interpolations": 2, "steps": 3, "conditions": 2,
    "draws": 3, "inversion": QUICK,
}  # fmt: skip


def config(**settings):
    return ExploreJob.model_validate(TINY | settings)
