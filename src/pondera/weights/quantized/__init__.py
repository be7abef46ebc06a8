"""Block encodings: groups of values that share a scale -> floats."""
