"""Runs the workbench on this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from pondera.errors import ArgumentError
from pondera.workbench.application import STATIC, application
from pondera.workbench.guard import Guard
from pondera.workbench.served import BIN, LOGS, OWN, UPLOADS, Served

HOST = "127.0.0.1"

MOST_UPLOADED = 512 << 20
"""Bytes of an upload, at most: larger files are put into the folder by other means."""


def serve(folder: Path, port: int, began: Callable[[str], None]) -> None:
    """Serve a folder until the process is told to end.

    Parameters
    ----------
    folder
        What is served.
    port
        Where; 0 for any that is free.
    began
        Called with the address to open, once somebody who opens it is answered.

    Raises
    ------
    ArgumentError
        If the pages are not built, the folder is none, the workbench's own in it is a link, or the port is in use.
    """
    import uvicorn

    if not (STATIC / "index.html").is_file():
        raise ArgumentError("The pages of the workbench are not built. Run make ui in a clone, or pip install it anew.")
    if not folder.is_dir():
        raise ArgumentError(f"{folder}: expected a folder to serve. Give one that is there.")
    _check_own(Served(folder))
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name != "nt":  # where it would let two servers share a port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise ArgumentError(f"--port {port}: {error.strerror}. Give another, or 0 for any that is free.") from None
    with listening:
        listening.listen(1024)
        taken = int(listening.getsockname()[1])
        app = application(folder)
        guard = Guard(app, taken, MOST_UPLOADED)
        config = uvicorn.Config(
            guard,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            lifespan="on",
        )
        began(f"http://{HOST}:{taken}/?token={guard.token}")

        class Server(uvicorn.Server):
            """One that ends its streams before it waits for all requests to be answered."""

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                app.state.bench.pulses.end()
                await app.state.bench.close()
                await super().shutdown(sockets)

        Server(config).run(sockets=[listening])


def _check_own(served: Served) -> None:
    """Refuse a folder in which what is to be the workbench's own is none: a link is not followed."""
    for parts in ((), (LOGS,), (BIN,), (UPLOADS,)):
        try:
            served.own_names(*parts)
        except OSError:
            place = "/".join((OWN, *parts))
            raise ArgumentError(
                f"{place}: expected a folder of the workbench's own, found a link or a file. Move it away."
            ) from None
