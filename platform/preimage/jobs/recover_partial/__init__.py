"""The job `recover-partial`."""
