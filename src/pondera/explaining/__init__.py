"""What weights mean on data, and how far that can be believed."""
