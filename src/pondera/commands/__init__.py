"""The command line: a file a command.

Results go to standard output, everything else to standard error. An error that the user can mend is one line and exit
code 2; ``--debug`` shows where it came from.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any


def main(arguments: list[str] | None = None) -> None:
    """Run the command line with the process's arguments."""
    from pondera.errors import PonderaError, PonderaWarning
    from pondera.report.terminal import messages

    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given

    def note(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
        if debug or issubclass(category, PonderaWarning):
            messages().print(f"Note: {message}", soft_wrap=True)

    with warnings.catch_warnings():
        warnings.showwarning = note
        try:
            from pondera.commands.app import app

            app([argument for argument in given if argument != "--debug"], prog_name="pondera")
        except PonderaError as error:
            if debug:
                raise
            _fail(" ".join(str(error).split()))
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our results has gone; there is nobody to tell
            raise SystemExit(1) from None
        except KeyboardInterrupt:
            messages().print("Interrupted; nothing was written.")
            raise SystemExit(130) from None
        except (OSError, MemoryError) as error:
            if debug:
                raise
            _fail(f"The machine refused: {error or 'out of memory'}. Run again with --debug to see where.")


def _fail(sentence: str) -> None:
    from pondera.report.terminal import messages

    messages().print(f"Error: {sentence}", soft_wrap=True, style="red")
    raise SystemExit(2)
