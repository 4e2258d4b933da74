"""One decoder for every picture that is read."""
