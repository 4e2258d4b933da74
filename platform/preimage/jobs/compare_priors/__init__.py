"""The job `compare-priors`."""
