"""Decode each image once, into a dataset of shards that is identified by its content."""
