"""The HTTP face of preprocessing."""
