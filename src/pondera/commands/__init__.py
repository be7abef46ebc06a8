"""The command line: a file a command.

Results go to standard output, everything else to standard error. An error is one line: of exit code 2 where the user
can mend it, of exit code 1 where the mistake is ours. ``--debug`` shows where it came from.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import itertools
import os
import sys
import warnings
from typing import Any

INTERRUPTED, BROKEN_PIPE = 130, 141
"""The exit codes after Ctrl-C, and where whoever read the results has gone: those that shells have for it."""

FEW_COLLECTIONS = 50_000
"""Objects that come to be between two looks for garbage: imports make so many that Python's 700 cost time."""


def script() -> None:
    """Run the command line as a process of its own: what it holds at its end goes with it and is not looked through."""
    gc.set_threshold(FEW_COLLECTIONS)
    atexit.register(gc.freeze)
    main()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line with the process's arguments."""
    from pondera.choice import printable
    from pondera.errors import PonderaError, PonderaWarning
    from pondera.report.terminal import messages

    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given

    def note(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        if debug or issubclass(category, PonderaWarning):
            messages().print(f"Note: {printable(' '.join(str(message).split()))}", soft_wrap=True)

    with warnings.catch_warnings():
        warnings.showwarning = note
        _open_streams()
        try:
            _run([argument for argument in given if argument != "--debug"])
        except PonderaError as error:
            if debug:
                raise
            _fail(str(error))
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our results has gone; there is nobody to tell
            raise SystemExit(BROKEN_PIPE) from None
        except KeyboardInterrupt:
            messages().print("Interrupted.")
            raise SystemExit(INTERRUPTED) from None
        except (OSError, MemoryError) as error:
            if debug:
                raise
            where = getattr(error, "filename", None)
            what = getattr(error, "strerror", None) or str(error) or "out of memory"
            full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
            advice = "Give another place." if where else "Free some disk." if full else "Free memory, or give less."
            _fail(f"{f'{where} cannot be used' if where else 'The machine refused'}: {what}. {advice}")
        except Exception as error:
            if debug:
                raise
            if "RESOURCE_EXHAUSTED" in str(error):  # how JAX says it
                _fail("This does not fit into memory. Give smaller hidden layers, smaller batches or fewer rows.")
            what = f"{type(error).__name__}: {error}".rstrip(": .")
            _fail(f"this is a mistake in Pondera: {what}. Run again with --debug and report what it prints.", code=1)


def _open_streams() -> None:
    """See that all can be written that results and messages are made of.

    What an encoding has no letter for comes as a question mark. Standard output that whoever started us closed is like
    a pipe whose reader has gone.

    Raises
    ------
    SystemExit
        If there is no standard output.
    """
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115  # as long as the process
    if sys.stdout is None:
        raise SystemExit(BROKEN_PIPE)
    streams: tuple[Any, ...] = (sys.stdout, sys.stderr)
    for stream in streams:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # notebooks and tests have streams of their own
            stream.reconfigure(errors="replace")


def _run(arguments: list[str]) -> None:
    """Run a command; without one, show what there is.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, which typer turns into an exit code or into an exception of its own.
    """
    import typer

    from pondera.commands.app import app

    if any(not argument and not before.startswith("-") for before, argument in itertools.pairwise(["", *arguments])):
        _fail("an argument is empty, as a variable of the shell that is not set leaves it. Give a name or a path.")
    usage_error: Any = typer.BadParameter.__mro__[1]  # its name is not public, and its module moved between versions
    try:
        code = app(arguments or ["--help"], prog_name="pondera", standalone_mode=False)
    except SystemExit as left:
        if isinstance(left.__context__, BrokenPipeError):  # typer has a code of its own for that
            raise left.__context__ from None
        raise
    except typer.Abort:
        raise KeyboardInterrupt from None
    except usage_error as error:
        context: Any = getattr(error, "ctx", None)
        command = context.command_path if context else _command(arguments)
        _fail(f"{error.format_message().rstrip('.')} (see {command} --help).")
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    raise SystemExit(code)


def _command(arguments: list[str]) -> str:
    """Return what to ask for help: the command that was given, if one was."""
    from pondera.commands.app import COMMANDS

    return " ".join(["pondera", *(argument for argument in arguments[:1] if argument in COMMANDS)])


def _fail(sentence: str, code: int = 2) -> None:
    from pondera.choice import printable
    from pondera.report.terminal import messages

    messages().print(f"Error: {printable(' '.join(sentence.split()))}", soft_wrap=True, style="red")
    raise SystemExit(code)
