"""What weights say by themselves."""
