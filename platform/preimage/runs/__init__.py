"""What runs leave: their folders, products and checkpoints."""
