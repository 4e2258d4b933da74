"""Codes drawn from the priors of what is browsed."""

import numpy as np

from preimage.browsing.subject import Subject
from preimage.errors import PriorError
from preimage.latents.priors import Prior
from preimage.random_streams import Stream


def samples(subject: Subject, prior_name: str, count: int, seed: int = 0) -> np.ndarray:
    """(count, d) float32, drawn from one of the subject's priors; the same seed draws the same codes.

    Raises PriorError if there is no prior of that name.
    """
    prior = prior_of(subject, prior_name)
    return prior.sample(count, Stream.BROWSED_SAMPLES.generator(seed)).numpy()


def prior_of(subject: Subject, name: str | None) -> Prior:
    """A subject's prior by its name; None: its first. Raises PriorError if there is none."""
    known = list(subject.priors)
    if not known:
        raise PriorError(f"{subject.name} has no prior. {' '.join(subject.missing)}")
    if name is not None and name not in known:
        raise PriorError(f"{subject.name} has no prior {name!r}; its priors are: {', '.join(known)}")
    return subject.priors[known[0] if name is None else name]
