"""The processes that run commands for the server: :mod:`pondera.workbench.worker` from its side."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from pondera.workbench import worker
from pondera.workbench.worker import LENGTH, Outcome

IDLE = 300.0
"""Seconds after which a process that has nothing to do is ended."""

LAST_WORDS = 10_000
"""Letters that are kept of what a process says beside its answers: an end may be told there."""


class Workers:
    """Runs commands in processes that wait for the next one.

    Parameters
    ----------
    folder
        Where they run: names are relative to it.
    most
        How many work at the same time.
    memory
        Bytes that a command may have, at most, where the system can see to it: each then gets a process of its own.
        None for all there is.
    """

    def __init__(self, folder: Path, most: int, memory: int | None = None) -> None:
        self.folder, self.memory = folder, memory
        self._room = asyncio.Semaphore(most)
        self._idle: list[_Worker] = []

    async def run(self, arguments: Sequence[str], begun: Callable[[], None] | None = None) -> Outcome:
        """Return what came of a command; of a process that ended over it, its exit code and last words.

        A process that has run others and ends may have been ended while it waited: the command is run once more, in a
        new one. Where this is cancelled the process is ended.

        Parameters
        ----------
        arguments
            Of the command line.
        begun
            Called once there is room for it.
        """
        async with self._room:
            if begun is not None:
                begun()
            waiting = self._waiting()
            if waiting is not None and (outcome := await self._have(waiting, arguments)) is not None:
                return outcome
            outcome = await self._have(await _Worker.begin(self.folder, self.memory), arguments)
            assert outcome is not None
            return outcome

    async def _have(self, found: _Worker, arguments: Sequence[str]) -> Outcome | None:
        """Have a process run a command; None where it ended, and that may be for what came before."""
        used = found.used
        try:
            outcome = await found.run(arguments)
        except BaseException:
            await found.end()
            raise
        if outcome.last or self.memory is not None:
            await found.end()
        else:
            found.dismissal = asyncio.get_running_loop().call_later(IDLE, self._dismiss, found)
            self._idle.append(found)
        return None if found.ended and used else outcome

    async def close(self) -> None:
        """End those that wait."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(each.end() for each in idle))

    def _waiting(self) -> _Worker | None:
        """Return a process that waits, the one that worked last, if there is one that still lives."""
        while self._idle:
            found = self._idle.pop()
            found.recall()
            if found.process.returncode is None:
                return found
        return None

    def _dismiss(self, idle: _Worker) -> None:
        self._idle.remove(idle)
        idle.leave()


class _Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.dismissal: asyncio.TimerHandle | None = None
        self.used, self.ended = False, False  # whether it has run a command, and ended over one
        self._words = ""
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def begin(cls, folder: Path, memory: int | None) -> _Worker:
        pipe = asyncio.subprocess.PIPE
        command = worker.command(folder, memory)
        return cls(
            await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                start_new_session=True,  # Ctrl-C in a terminal is for the server, which ends them
            )
        )

    async def run(self, arguments: Sequence[str]) -> Outcome:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._words = ""
        try:
            self.process.stdin.write(json.dumps(list(arguments)).encode() + b"\n")
            await self.process.stdin.drain()
            length = await self.process.stdout.readexactly(LENGTH)
            told = await self.process.stdout.readexactly(int.from_bytes(length, "little"))
        except (asyncio.IncompleteReadError, ConnectionError):
            code = await self.process.wait()
            await self._listening
            self.ended = True
            return Outcome(code, "", self._words, last=True)
        self.used = True
        return Outcome(**json.loads(told))

    def recall(self) -> None:
        """Have it not be ended for having nothing to do."""
        if self.dismissal is not None:
            self.dismissal.cancel()

    def leave(self) -> None:
        """Have the process end where it waits, which it does where its input ends."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    async def end(self) -> None:
        """End the process, whatever it does."""
        self.recall()
        self.leave()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._listening

    async def _listen(self) -> None:
        """Read what it says beside its answers: a pipe that nobody reads is full some day, and whoever writes waits."""
        assert self.process.stderr is not None
        letters = codecs.getincrementaldecoder("utf-8")("replace")
        while said := await self.process.stderr.read(LAST_WORDS):
            self._words = (self._words + letters.decode(said))[-LAST_WORDS:]
