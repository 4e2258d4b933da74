"""Looking into a latent space: what is browsed, its map, and what a page or a file shows of it."""
