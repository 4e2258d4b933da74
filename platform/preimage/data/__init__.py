"""Image sources, their preparation into shards, and a worker's share of them."""
