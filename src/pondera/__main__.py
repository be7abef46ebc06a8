"""``python -m pondera``."""

from pondera.commands import main

main()
