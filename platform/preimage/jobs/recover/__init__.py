"""The job `recover`."""
