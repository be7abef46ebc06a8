"""Faults: rules that look at the figures of a file of weights and say what is wrong with it."""
