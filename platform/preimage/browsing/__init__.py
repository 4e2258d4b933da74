"""A page for looking into a latent space: `preimage browse`."""
