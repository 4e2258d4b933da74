"""Ray: start it here or connect to a cluster. Nothing above imports it before it is needed."""
