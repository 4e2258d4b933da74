"""What Preimage costs and gains, each measurement against the plain way of doing the same."""
