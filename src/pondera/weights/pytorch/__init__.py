"""PyTorch files (zip, the older layout, TorchScript), read without PyTorch and without executing anything."""
