"""scikit-learn's contract."""
