"""The job `pca`."""
