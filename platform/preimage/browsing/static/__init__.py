"""A map of codes as one HTML file, which needs no server and no network."""
