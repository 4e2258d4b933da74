"""The job `random-weights`."""
