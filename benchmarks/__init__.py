"""The same work beside its peers, in one run."""
