"""What Preimage costs and gains, each figure against the plain way of doing the same."""
