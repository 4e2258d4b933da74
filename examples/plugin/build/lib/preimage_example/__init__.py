"""A plugin of Preimage: each module adds one thing, which pyproject.toml names."""
