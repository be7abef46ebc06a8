"""The singular values of a layer, exact or estimated, and what they say in a few numbers."""
