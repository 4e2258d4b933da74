"""The sections of the page at the right of the map."""
