"""Folders on any filesystem, and what keeps them whole."""
