"""The job `compare-reconstructions`."""
