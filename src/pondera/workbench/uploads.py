"""Files that pages put into the folder: received and read in a place of the workbench's own, then given their names.

Nobody sees a file under its name before it is whole and known to be what it says. A name that is taken by then, by
whomever, is left alone, and the next one tried. What a server that was killed was receiving the next one throws away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from anyio.to_thread import run_sync

from pondera.errors import ArgumentError, PonderaError
from pondera.files import lock
from pondera.workbench.bench import Bench
from pondera.workbench.served import CHECKPOINTS, OWN, TABLES, UPLOADS, Served, free

AT_ONCE = 1 << 22
"""Bytes that are written at a time."""


async def receive(bench: Bench, name: str, blocks: AsyncIterator[bytes]) -> tuple[str, int]:
    """Put a file into the folder and return what it is called, and its bytes; one that was there under its name stays.

    Parameters
    ----------
    bench
        With the folder, and what looks at tables.
    name
        What it is to be called.
    blocks
        What is in it.

    Raises
    ------
    PonderaError
        If it is no table and no file of weights.
    OSError
        If it cannot be written.
    """
    served = bench.served
    wanted = served.path(name)
    if wanted == served.root or wanted.suffix.lower() not in (*TABLES, *CHECKPOINTS):
        raise ArgumentError(
            f"{name!r}: expected a table or a file of weights, by its ending: {', '.join((*TABLES, *CHECKPOINTS))}."
        )
    place = served.root / OWN / UPLOADS / secrets.token_hex(8) / wanted.name
    file = await run_sync(_open, served, place)
    try:
        digest, size, waiting = hashlib.sha256(), 0, bytearray()

        def write() -> None:
            digest.update(waiting)
            file.write(waiting)
            waiting.clear()

        async for block in blocks:
            size += len(block)
            waiting += block
            if len(waiting) >= AT_ONCE:
                await run_sync(write)
        if size == 0:
            raise ArgumentError(f"{name!r} is empty: expected a file with something in it.")
        await run_sync(write)
        if not await run_sync(_is_there, served, file, place, wanted, digest.digest()):
            try:
                await _check(bench, place)
            except PonderaError as error:  # says what the file is called where it is put
                error.args = (str(error).replace(str(place), wanted.name).replace(served.name(place), wanted.name),)
                raise
            wanted = await run_sync(_settle, served, place, wanted)
        return served.name(wanted), size
    finally:
        _throw_away(served, file, place)


def clear(served: Served) -> None:
    """Throw away what servers that were killed were receiving; not what another one is receiving now."""
    for name in served.own_names(UPLOADS):
        folder = served.root / OWN / UPLOADS / name
        for place in folder.glob("*"):
            with contextlib.suppress(OSError):
                _throw_away(served, lock(place), place)


def _open(served: Served, place: Path) -> IO[bytes]:
    os.close(served.open_own(os.O_WRONLY | os.O_CREAT | os.O_EXCL, UPLOADS, place.parent.name, place.name))
    return lock(place)  # another server that starts meanwhile sees that it is being written


def _is_there(served: Served, file: IO[bytes], place: Path, wanted: Path, digest: bytes) -> bool:
    """Whether the file of the wanted name holds the same already."""
    file.flush()
    os.fsync(file.fileno())
    same = wanted.is_file() and wanted.stat().st_size == place.stat().st_size
    return same and _digest(served, wanted) == digest


def _settle(served: Served, place: Path, wanted: Path) -> Path:
    """Give a file its name, or the next one that is free, and return it."""
    for each in free(wanted):
        try:
            served.link(place, each)
        except FileExistsError:
            continue
        return each
    raise AssertionError  # there is always a next name


def _digest(served: Served, place: Path) -> bytes:
    with os.fdopen(served.open(served.name(place)), "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


async def _check(bench: Bench, place: Path) -> None:
    """Refuse what is no table and no file of weights."""
    if place.suffix.lower() in TABLES:
        await bench.tables.answer(("columns", "--", bench.served.name(place)), [place])
    else:
        await run_sync(_check_weights, place)


def _check_weights(place: Path) -> None:
    from pondera.weights.open import open as open_weights

    try:
        open_weights(place)
    except (PonderaError, OSError, MemoryError):
        raise
    except Exception as error:
        raise ArgumentError(f"{place.name}: it cannot be read ({type(error).__name__}). Give another file.") from error


def _throw_away(served: Served, file: IO[bytes], place: Path) -> None:
    file.close()
    shutil.rmtree(place.parent, ignore_errors=True)  # it follows no links
    for folder in (place.parent.parent, served.root / OWN):
        with contextlib.suppress(OSError):  # there are other things in it
            folder.rmdir()
