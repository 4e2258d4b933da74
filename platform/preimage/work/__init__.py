"""Independent pieces of work, and processes that are ready for it."""
