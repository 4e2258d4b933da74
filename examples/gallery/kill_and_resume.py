"""Kill a run, and lose nothing.

A run that dies resumes where it stopped, and what it leaves is the same to the byte. Here an
inversion is killed without warning (`kill -9`), three times, and its store compared with that of a
run that was left alone.
"""

import subprocess
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import yaml
from matplotlib.colors import ListedColormap

import preimage as pi

TINY = "--tiny" in sys.argv
KILLS = 0 if TINY else 3
digits = pi.open(pi.run(Path(__file__).with_name("digits.yaml"), profile="tiny" if TINY else None))

# A store is written in parts. A part counts once it is whole.
spec = {
    "job": "invert",
    "generator": digits.steps["gan"].folder.folder.path + "/generator",
    "data": {**digits.steps["codes"].spec["data"], "max_images": 40 if TINY else 192},
    "inversion": {"solver": "adam", "steps": 5 if TINY else 50, "patience": None, "batch_size": 8},
    "resources": {"backend": "local", "workers": 1, "cpus_per_worker": 1},
    "tracking": {"uri": "none"},
}
Path("invert.yaml").write_text(yaml.safe_dump(spec))
command = [sys.executable, "-m", "preimage", "run", "invert.yaml", "results=killed"]


def parts() -> set[str]:
    """The parts that are whole: each has a record beside it."""
    return {path.stem for path in Path("killed").glob("runs/*/store/_part-*.json")}


# The same command each time. While it runs, look at what it has written, and kill it in the middle.
attempt_of = dict.fromkeys(parts(), 0)
whole = spec["data"]["max_images"] // 8
for attempt in range(KILLS):
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while len(parts()) < whole * (attempt + 1) // (KILLS + 1) and process.poll() is None:
            time.sleep(0.02)
        process.kill()
    attempt_of |= dict.fromkeys(parts() - attempt_of.keys(), attempt)
print("left by the killed processes:", len(attempt_of), "of", whole, "parts")

# Run once more, and run elsewhere from beginning to end.
resumed = pi.open(pi.run(spec, results="killed"), "killed").store
attempt_of |= dict.fromkeys(parts() - attempt_of.keys(), KILLS)
alone = pi.open(pi.run(spec, results="alone"), "alone").store
for name in sorted(path.name for path in Path(alone.folder.path).glob("*.parquet")):
    assert Path(resumed.folder.path, name).read_bytes() == Path(alone.folder.path, name).read_bytes()
assert resumed.fingerprint == alone.fingerprint

figure, axes = plt.subplots(figsize=(9, 1.9), layout="constrained")
colours = ListedColormap(["#4c78a8", "#f58518", "#54a24b", "#b279a2"][: KILLS + 1])
order = [attempt_of[name] for name in sorted(attempt_of)]
axes.pcolormesh([order], cmap=colours, vmin=0, vmax=KILLS, edgecolors="white")
for attempt in range(KILLS + 1):
    end = "killed" if attempt < KILLS else "ran to its end"
    middle = sum(order.index(attempt) + k for k in range(order.count(attempt))) / max(1, order.count(attempt))
    axes.text(middle + 0.5, 1.15, f"attempt {attempt + 1}: {end}", ha="center", fontsize=9)
axes.set(yticks=[], xlabel="part of the store, by the attempt that wrote it")
axes.set_title(f"Equal to a store that was never killed: {alone.fingerprint[:16]}…\n", fontsize=11)
figure.savefig("kill_and_resume.png", dpi=110)
