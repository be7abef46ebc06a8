"""Weights × inputs → outputs. Names are imported from the modules, so that a neuron does not have to load JAX."""
