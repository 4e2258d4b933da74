"""Generator inversion: find the codes of images. `engine` does it; `dataset` runs it over many."""
