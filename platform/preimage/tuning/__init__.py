"""Studies: many trials of one job or pipeline, what differs between them chosen by a sampler."""
