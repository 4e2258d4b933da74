"""Run the examples at their real size, and keep their pictures: `python -m website.run_gallery [NAME]...`.

They work in build/gallery, one after another on one thread, and are timed by the processor: a busy machine
changes nothing.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

import preimage as pi
from preimage import hardware
from website.gallery import MADE, PICTURES, ROOT, SCRIPTS, SPECS, names

PLACE = ROOT / "build" / "gallery"
COLOURS, LARGEST = 128, 150_000
"""Of a picture: its colours, and its bytes at most."""


def main(wanted: list[str]) -> None:
    PLACE.mkdir(parents=True, exist_ok=True)
    for spec in SPECS:
        path = SCRIPTS / f"{spec}.yaml"
        if not pi.plan(path, results=str(PLACE / "results")).is_done:
            note(f"{spec}.yaml", _seconds([sys.executable, "-m", "preimage", "run", str(path)]))
    for name in wanted or names():
        seconds = _seconds([sys.executable, str(SCRIPTS / f"{name}.py")])
        keep(PLACE / f"{name}.png")
        note(name, seconds)


def keep(picture: Path) -> None:
    """Write a picture in few colours beside the others. Raises ValueError for one that stays too large."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    kept = PICTURES / picture.name
    Image.open(picture).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(kept, optimize=True)
    if (size := kept.stat().st_size) > LARGEST:
        raise ValueError(f"{kept} has {size:,} bytes, more than {LARGEST:,}: draw less, or smaller")


def note(name: str, seconds: float) -> None:
    """Record how long something took."""
    known: dict[str, Any] = json.loads(MADE.read_text()) if MADE.exists() else {}
    known |= {
        name: round(seconds, 1),
        "machine": f"one core with {hardware.machine()['instructions'].upper()}",
    }
    MADE.parent.mkdir(parents=True, exist_ok=True)
    MADE.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


def _seconds(command: list[str]) -> float:
    """Run a command in the examples' folder. Of processor, those that it waited for included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=PLACE, env=one_thread, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main(sys.argv[1:])
