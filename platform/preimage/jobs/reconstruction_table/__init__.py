"""The job `reconstruction-table`."""
