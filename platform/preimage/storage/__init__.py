"""Folders on any filesystem, with locks, validated JSON and credential checks."""
