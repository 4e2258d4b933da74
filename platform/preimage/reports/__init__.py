"""One page on a run: what was run, what came out, and how it was made. Takes what its folder holds."""
