"""Weights -> files that other libraries read."""
