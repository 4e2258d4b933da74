"""The latent store, the priors its codes are compared with, and streaming statistics of codes."""
