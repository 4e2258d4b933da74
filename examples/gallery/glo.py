"""A generator without a discriminator.

Generative latent optimisation (GLO; Bojanowski and others, 2018) learns a network and, at once, one
code for every image. It needs no discriminator and no encoder, and from as many numbers it
reconstructs images better than their principal components do.
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq

import preimage as pi

SIZE = "tiny" if "--tiny" in sys.argv else None

glo = pi.open(pi.run(Path(__file__).with_name("glo.yaml"), profile=SIZE))

# The baseline: the same images, as many numbers to each. A run knows its spec, so nothing is written
# twice.
dim = glo.prior.latent_dim
same = {key: glo.spec[key] for key in ("data", "resources", "tracking")}
pca = pi.open(pi.run({"job": "pca", "latent_dim": dim} | same))

# Both leave a generator, and a store with a code for each image.
given = glo.images(12)
rows = {"digits": given.images}
for name, run in {"principal\ncomponents": pca, "GLO": glo}.items():
    error = run.outcome.metrics["reconstruction_error"]
    rows[f"{name}\nerror {error:.4f}"] = run.generator(run.store.codes_of(given.ids))
pi.picture(rows, title=f"Digits, and what is left of them in {dim} numbers").save("glo.png")

# The store is Parquet: any tool reads it.
print(pq.read_table(glo.store.folder.path).schema)
