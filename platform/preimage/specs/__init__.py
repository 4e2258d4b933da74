"""Typed specs: what a YAML file may say, how it is loaded, and its fingerprint."""
