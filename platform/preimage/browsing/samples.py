"""Codes drawn from the priors of what is browsed."""

import numpy as np

from preimage.browsing.subject import Subject
from preimage.errors import PriorError
from preimage.random_streams import Stream


def samples(subject: Subject, prior_name: str, count: int, seed: int = 0) -> np.ndarray:
    """(count, d) float32, drawn from one of the subject's priors; the same seed draws the same codes.

    Raises PriorError if there is no prior of that name.
    """
    if prior_name not in subject.priors:
        known = ", ".join(subject.priors) or "none"
        raise PriorError(f"{subject.name} has no prior {prior_name!r}; its priors are: {known}")
    prior = subject.priors[prior_name]
    return prior.sample(count, Stream.PRIOR_CODES.generator(seed)).numpy()
