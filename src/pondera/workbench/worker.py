"""``python -m pondera.workbench.worker FOLDER [--memory=BYTES]``: a process that runs commands, one after another.

Each is a line of JSON on its input, a list of arguments; what comes of it is written to its output: eight bytes that
say how long it is, and JSON (:class:`Outcome`). What was imported and compiled for one command is there for the next: a
second weight is asked about in a fraction of the seconds that the first one takes.

It reads nothing but what lies below the folder, also where a run or an index names other files. It ends where its input
does, however the server ends that holds the other end of it. With ``--memory=BYTES`` it gets no more than that, on
systems that can see to it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import io
import itertools
import json
import os
import queue
import runpy
import signal
import sys
import threading
from pathlib import Path

from pondera.door import only_below

MEMORY = "--memory="

LENGTH = 8
"""Bytes that say how long what follows is, the first the lowest."""

MOST, MANY = 1 << 30, 1000
"""Bytes of memory, at its highest, and commands, after which a process ends: what it took is not all given back."""

STATUS = Path("/proc/self/status")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a command.

    Attributes
    ----------
    code
        Its exit code.
    out, err
        What it wrote to standard output, and to standard error.
    last
        Whether the process ends now.
    """

    code: int
    out: str
    err: str
    last: bool = False


def command(folder: Path, memory: int | None = None) -> list[str]:
    """Return what starts such a process.

    Python would look for modules in the folder that it runs in, which is the one that is served: ``-P`` forbids it.
    """
    return [sys.executable, "-P", "-m", __name__, str(folder), *([] if memory is None else [f"{MEMORY}{memory}"])]


def main() -> None:
    """Run the commands that come, until no more can."""
    folder, *options = sys.argv[1:]
    asked: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    for option in options:
        _limit(int(option.removeprefix(MEMORY)))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints by itself is no answer
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a server in the background of a script ignores it
    # It ends in silence where it is interrupted, the folder is gone, or whoever asked is.
    with contextlib.suppress(KeyboardInterrupt, OSError), only_below(Path(folder)):
        for number in itertools.count(1):
            arguments = asked.get()
            os.chdir(folder)  # another folder may be there by now, or none
            outcome = run(arguments)
            last = number == MANY or _peak() > MOST
            told = json.dumps(dataclasses.asdict(outcome) | {"last": last}).encode()
            answers.write(len(told).to_bytes(LENGTH, "little") + told)
            answers.flush()
            if last:
                break
            gc.collect()  # a run that a command left open keeps its files
    os._exit(0)  # the thread that listens holds its input, and cannot be waited for


def run(arguments: list[str]) -> Outcome:
    """Run a command of Pondera's in this process.

    Examples
    --------
    >>> outcome = run(["neuron", "--inputs", "5,2", "--weights", "0.7,0.3", "--bias", "1", "--json"])
    >>> outcome.code, json.loads(outcome.out)["output"]
    (0, 5.1)
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "replace", "\n", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            sys.argv = ["pondera", *arguments]
            runpy.run_module("pondera", run_name="__main__")
            code: object = 0
        except SystemExit as left:
            code = left.code or 0
    return Outcome(code if isinstance(code, int) else 1, _told(out), _told(err))


def _told(stream: io.TextIOWrapper) -> str:
    written = stream.detach()
    assert isinstance(written, io.BytesIO)
    return written.getvalue().decode()


def _peak() -> int:
    """Return how many bytes of memory this process had at its highest; 0 where the system does not say."""
    if STATUS.exists():  # on Linux what the system says of resources may be of the process that started this one
        return int(STATUS.read_text().partition("VmHWM:")[2].split()[0]) << 10
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10


def _limit(memory: int) -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))  # files that are mapped are none of it


def _listen(asked: queue.SimpleQueue[list[str]]) -> None:
    for line in sys.stdin.buffer:
        asked.put(json.loads(line))
    os._exit(0)  # whatever is being worked on: nobody is there to be told


if __name__ == "__main__":
    main()
