"""The job `init-generator`."""
