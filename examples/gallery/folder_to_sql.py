"""A folder of images becomes a table of codes.

`invert` works on whole datasets, wherever the images are, and leaves Parquet. Then a question about
images is a question to a database: which class is reconstructed worst, and which files have the
nearest codes?

Neighbours among this GAN's codes are alike in slant and stroke, and often of another class. Nobody
told the GAN of classes, and it does not keep them apart.
"""

import sys
from pathlib import Path

import duckdb
import torch
from PIL import Image

import preimage as pi

SIZE = "tiny" if "--tiny" in sys.argv else None
digits = pi.open(pi.run(Path(__file__).with_name("digits.yaml"), profile=SIZE))

# Your own photos, in one folder for each class. Here they are digits, written as files.
given = digits.images()
pixels = pi.to_uint8(given.images)
for i, label in enumerate(given.labels.tolist()):
    path = Path("photos", given.classes[label], f"IMG_{i:04}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[i, 0].numpy()).save(path)

# The code of every file. Killed and started again, it would go on where it was.
channels, size, _ = given.images.shape[1:]
invert = {
    "job": "invert",
    "generator": digits.steps["gan"].name,
    "data": {"source": "folder", "path": "photos", "size": size, "channels": channels, "resample": "box"},
    "inversion": {"steps": 5 if SIZE else 60},
    "resources": {"backend": "local", "workers": 1, "cpus_per_worker": 1},
    "tracking": {"uri": "none"},
}
run = pi.open(pi.run(invert))
pi.export_store(run.name, "codes.parquet", overwrite=True)  # with the files' names and classes

print(
    duckdb.sql(
        "select class, count(*) n, avg(loss) loss from 'codes.parquet' group by class order by loss desc"
    )
)

# The files whose codes are nearest to those of some others.
nearest = """
    select b.name from 'codes.parquet' a, 'codes.parquet' b
    where a.name = ? order by list_distance(a.z::float[], b.z::float[]) limit 9"""
files = run.images()
by_name = dict(zip(files.names, files.images, strict=True))
rows = {}
for label in (2, 3, 4, 9):
    first = next(name for name in sorted(by_name) if f"{label}/" in name)
    near = [name for (name,) in duckdb.execute(nearest, [first]).fetchall()]
    rows[first] = torch.stack([by_name[name] for name in near])
captions = ["file", *[f"{n}." for n in range(1, 9)]]
pi.picture(rows, title="Files, and those with the nearest codes", captions=captions).save("folder_to_sql.png")
