"""The job `pag`."""
