"""What weights are, and the files they live in."""
