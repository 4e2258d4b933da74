"""Grids of images and plots, as PNG bytes."""
