"""The small training that most tests of runs are about."""

TRAIN = ("train", "--example", "wine", "--hidden", "16,8", "--epochs", 30)
"""Its command line; what comes after it counts instead."""
