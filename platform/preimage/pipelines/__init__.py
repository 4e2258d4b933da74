"""From a spec to results: what would run, where its inputs are, and running it."""
