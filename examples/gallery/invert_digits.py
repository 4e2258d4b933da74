"""Find the codes of images.

A generator maps a code, here 20 numbers, to an image. `pi.invert` asks which code makes an image
that you have: it starts at a good guess, and descends until the generator's image is as close to
yours as it gets.
"""

import sys
from pathlib import Path

import preimage as pi

SIZE = "tiny" if "--tiny" in sys.argv else None

# A small GAN of handwritten digits. The first time this trains it, which takes minutes. After that
# the run is found by its settings.
digits = pi.open(pi.run(Path(__file__).with_name("digits.yaml"), profile=SIZE))
images = digits.images().images[:10]

# These are the whole thing: a generator, images, and what was found.
found = pi.invert(digits.generator, images)
print(found)
print(found.z[0])  # the code of the first image

# The search itself, stopped early. It begins where a linear regression, fitted to images that the
# generator made, expects the code; so one step is not far off. Where sixty still leave something,
# as of the last digit, the generator cannot make the image, or the search went another way: further
# starts (restarts=4) tell which.
rows = {"given": images}
for steps in (1, 3, 10, 60):
    stopped = pi.invert(digits.generator, images, steps=steps)
    rows[f"after {steps}\nloss {stopped.loss.mean():.3f}"] = stopped.reconstructions
pi.picture(rows, title="Ten digits, and the nearest images that a GAN can make").save("invert_digits.png")
