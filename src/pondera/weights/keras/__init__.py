"""Keras models: `.keras` archives, `.weights.h5` and legacy HDF5."""
