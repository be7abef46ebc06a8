"""``python -m pondera``."""

from pondera.commands import script

script()
