"""What is measured on codes and images."""
