"""The job `invert`."""
