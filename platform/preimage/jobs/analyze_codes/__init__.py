"""The job `analyze-codes`."""
