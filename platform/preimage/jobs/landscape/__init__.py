"""The job `landscape`."""
