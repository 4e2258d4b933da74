"""What runs leave, and what was submitted."""
