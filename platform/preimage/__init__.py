"""Preimage: image generators and the codes behind images."""
