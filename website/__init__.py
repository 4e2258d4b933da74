"""What of the documentation site is generated when it is built (`make docs`). None of it is committed."""
