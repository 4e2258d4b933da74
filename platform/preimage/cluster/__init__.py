"""Ray: start it on this machine or connect to a cluster. Callers import this only when they need it."""
