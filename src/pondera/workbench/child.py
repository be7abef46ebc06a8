"""``python -m pondera.workbench.child FOLDER COMMAND …``: a command of Pondera's that outlives the server.

It reads nothing but what lies below the folder, also where a run or an index names other files.
"""

from __future__ import annotations

import runpy
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pondera.door import only_below

INTERRUPTED = 130
"""The exit code of a command after Ctrl-C."""


def command(folder: Path, arguments: Sequence[str]) -> list[str]:
    """Return what runs a command of Pondera's as the workbench runs it.

    Python would look for modules in the folder that it runs in, which is the one that is served: ``-P`` forbids it.
    """
    return [sys.executable, "-P", "-m", __name__, str(folder), *arguments]


def main() -> None:
    """Run the command that this process was given."""
    _, folder, *arguments = sys.argv
    sys.argv = ["pondera", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a server in the background of a script ignores it
    try:
        with only_below(Path(folder)):
            runpy.run_module("pondera", run_name="__main__")
    except KeyboardInterrupt:  # before the command has begun
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
