"""Image sources, their preparation into shards, and the prepared datasets."""
