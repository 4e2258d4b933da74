"""The latent store, the priors its codes are held against, and streaming statistics of codes."""
