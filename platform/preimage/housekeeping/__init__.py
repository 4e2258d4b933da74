"""What the results' root holds, what needs what, and what can go."""
