"""The job `invertibility`."""
