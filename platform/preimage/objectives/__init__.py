"""Losses and the training steps built on them."""
