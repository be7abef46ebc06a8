"""Errors into better weights."""
