"""What is wrong with a training: rules that read its run, also while it grows."""
