"""Learn a better prior, and draw from it.

A generator can only be sampled well from codes like those that its images have. GLO never had a
prior: one is fitted to its codes afterwards. How good it is decides how good the samples are.
"""

import sys
from pathlib import Path

import torch

import preimage as pi

TINY = "--tiny" in sys.argv
SIZE = "tiny" if TINY else None
QUIET = {"tracking.uri": "none", "resources.backend": "local"}

glo = pi.open(pi.run(Path(__file__).with_name("glo.yaml"), profile=SIZE))

# Three priors of one store. A tenth of the codes is held out: their log-likelihood, in nats, says how
# well a prior knows codes that it was not fitted to. A Gaussian's covariance adds nothing to the
# spreads of the components. Forty Gaussians do: codes of one class lie together.
kinds = {
    "diagonal": {},
    "gaussian": {},
    "mixture": {"settings": {"components": 2 if TINY else 40}},
}
rows = {"digits": glo.images().images[:12]}
for kind, settings in kinds.items():
    job = pi.jobs.FitPriorJob(store=glo.name, kind=kind, **settings)
    fitted = pi.open(pi.run(job, QUIET))
    likelihood = fitted.outcome.metrics["held_out_log_likelihood"]
    codes = fitted.prior.sample(12, torch.Generator().manual_seed(1))
    rows[f"{kind}\n{likelihood:.1f} nats"] = glo.generator(codes)
pi.picture(rows, title="Real digits, and samples under three priors of their codes").save("better_prior.png")
