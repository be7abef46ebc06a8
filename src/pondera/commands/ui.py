"""``pondera ui``: the workbench in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pondera.commands.options import whole_number

PORT = 8474


def ui(
    folder: Annotated[Path | None, typer.Argument(help="What is served.", show_default="this folder")] = None,
    port: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="Where to listen; 0 for any that is free.")
    ] = PORT,
    open: Annotated[bool, typer.Option("--open", metavar="", help="Open it in the browser.")] = False,  # noqa: A002
) -> None:
    """Open the workbench: train, look and explain in the browser, with the files of one folder."""
    from pondera.errors import ArgumentError
    from pondera.report.terminal import messages
    from pondera.workbench.server import serve

    if not 0 <= port <= 65535:
        raise ArgumentError(f"--port takes a whole number from 0 to 65535. Got {port}.")

    def began(address: str) -> None:
        messages().print(f"The workbench is at {address}", soft_wrap=True)
        messages().print("The address lets one browser in. Ctrl-C ends the server; trainings go on.", soft_wrap=True)
        if open:
            import threading
            import webbrowser

            # One that runs in the terminal ends when it is closed, and waits until then for a server that has begun.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    serve(folder or Path(), port, began)
