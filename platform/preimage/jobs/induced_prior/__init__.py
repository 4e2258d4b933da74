"""The job `induced-prior`."""
