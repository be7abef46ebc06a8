"""``python -m pondera.workbench.child FOLDER [OPTION]… -- COMMAND …``: a command of Pondera's for the workbench.

It reads nothing but what lies below the folder, also where a run or an index names other files. With
``--with-parent`` it ends where the server ends, however that ends: its input is a pipe that nothing is ever written
to, and that closes with the process that holds the other end. With ``--memory=BYTES`` it gets no more than that, on
systems that can see to it.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from pondera.door import only_below

WITH_PARENT, MEMORY = "--with-parent", "--memory="
INTERRUPTED = 130


def command(folder: Path, arguments: Sequence[str], with_parent: bool = False, memory: int | None = None) -> list[str]:
    """Return what runs a command of Pondera's as the workbench runs it.

    Python would look for modules in the folder that it runs in, which is the one that is served: ``-P`` forbids it.
    """
    options = [*([WITH_PARENT] if with_parent else []), *([f"{MEMORY}{memory}"] if memory is not None else [])]
    return [sys.executable, "-P", "-m", __name__, str(folder), *options, "--", *arguments]


def main() -> None:
    """Run the command that this process was given."""
    at = sys.argv.index("--")
    folder, *options = sys.argv[1:at]
    if WITH_PARENT in options:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    for option in options:
        if option.startswith(MEMORY):
            _limit(int(option.removeprefix(MEMORY)))
    sys.argv = ["pondera", *sys.argv[at + 1 :]]
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a server that a script began in the background ignores it
    try:
        with only_below(Path(folder)):
            runpy.run_module("pondera", run_name="__main__")
    except KeyboardInterrupt:  # before the command has begun
        raise SystemExit(INTERRUPTED) from None


def _limit(memory: int) -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))  # files that are mapped are none of it


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)  # nobody is there to be told


if __name__ == "__main__":
    main()
