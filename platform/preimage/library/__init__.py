"""What a notebook calls: invert images, open a run, submit a spec."""
