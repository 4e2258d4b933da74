"""Metrics of codes and images."""
