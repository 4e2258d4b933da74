"""Typed specs: what a YAML file may contain, and how it is loaded and checked."""
