"""Independent pieces of work, and what prepares a process for them."""
