"""Names of tensors -> layers, and the same layer under another framework's name."""
