"""The job `fit-prior`."""
