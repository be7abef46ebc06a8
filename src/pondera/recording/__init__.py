"""The life of every weight: what a training leaves behind, and how it is read. Rank 5."""
