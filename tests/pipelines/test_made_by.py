"""A run's folder says how everything in it was made."""

import io

from PIL import Image

from faulty import planned
from preimage.figures.png_texts import TEXT
from preimage.pipelines.execute import execute

DATA = {"source": "digits", "size": 16, "channels": 1, "max_images": 60}
STEPS = {
    "pca": {"job": "pca", "data": DATA, "latent_dim": 4},
    "compare": {"job": "compare-reconstructions", "methods": {"PCA": "pca"}},
}


def test_tables_and_pictures_say_how_their_run_was_made_and_another_spec_changes_nothing(tmp_path):
    plan = planned(tmp_path, STEPS)
    execute(plan)
    pca, compare = (step.run for step in plan.steps)
    images = f"of digits train, 16 px, grey, {plan.steps[0].job.own_data.resample}"
    assert pca.made_by == f"pca · 60 images {images} · d 4 · seed 0 · spec test"
    assert compare.made_by == (
        "compare-reconstructions · PCA: linear generator 16 px, d 4, gaussian prior, by pca of digits train "
        "(60 images); 60 codes by projection · seed 0 · spec test"
    )
    assert compare.figures.read("table.md").decode().endswith(f"\n\nMade by: {compare.made_by}\n")
    for run in (pca, compare):
        for name in run.figures.names():
            if name.endswith(".png"):
                assert Image.open(io.BytesIO(run.figures.read(name))).info[TEXT] == run.made_by
    before = [run.figures.read(name) for run in (pca, compare) for name in run.figures.names()]
    renamed = {"one": STEPS["pca"], "two": STEPS["compare"] | {"methods": {"PCA": "one"}}}
    again = planned(tmp_path, renamed)
    assert [step.run.name for step in again.steps] == [pca.name, compare.name]
    execute(again)
    assert before == [run.figures.read(name) for run in (pca, compare) for name in run.figures.names()]
