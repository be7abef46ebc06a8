"""Questions that take long: each is a command of Pondera's with ``--json``, in another process than the server's.

It can be cancelled, a file that makes it fail takes nothing else with it, and its answer is the one that the command
line gives. Whoever asks the same again while it is worked on waits for the same answer, which is kept until a file that
it is about changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pondera.errors import ArgumentError, PonderaError
from pondera.workbench.child import INTERRUPTED
from pondera.workbench.kept import version
from pondera.workbench.workers import Workers

AT_ONCE, LONG_AT_ONCE = 3, 2
"""Questions that are worked on at the same time, and how many of them may be explanations, which take minutes: each
takes all cores where it can, yet what is short does not wait for what is long."""

LONG = "explain"
"""The command that may take minutes."""

KEPT = 64
"""Answers that are kept."""

PATIENCE = 20.0
"""Seconds after which whoever waits is told to ask again: browsers give up on answers that never begin."""

FORGOTTEN = 90.0
"""Seconds after which a question is dropped that whoever was told to ask again did not: tabs out of sight are slow."""

GRACE = 5.0
"""Seconds after which one is dropped whose last listener has gone: a page that is loaded again joins it until then."""

A_LOOK = 0.5
"""Seconds between two looks whether a listener has gone."""

MOST_WAITING = 64
"""Questions that are not answered yet, at most."""

Gone = Callable[[], Awaitable[bool]]


@dataclass
class Question:
    """A command that is being run.

    Attributes
    ----------
    arguments
        Of the command line, without ``--json``.
    waiting, until
        How many wait for it, and when it is dropped where nobody does.
    answer, error
        What came of it.
    begun
        Whether it is worked on.
    told
        Whether somebody was given what came of it.
    """

    arguments: tuple[str, ...]
    waiting: int = 0
    until: float = 0.0
    answer: dict[str, Any] | None = None
    error: str | None = None
    begun: bool = False
    told: bool = False
    task: asyncio.Task[None] | None = None


class Questions:
    """Runs commands in a folder and remembers what they answered.

    Parameters
    ----------
    folder
        Where they run: names are relative to it.
    memory
        Bytes that each may have, at most, where the system can see to it; None for all there is.
    """

    def __init__(self, folder: Path, memory: int | None = None) -> None:
        self.workers = Workers(folder, AT_ONCE, memory)
        self._long = asyncio.Semaphore(LONG_AT_ONCE)
        self._known: OrderedDict[tuple[Any, ...], Question] = OrderedDict()
        self._tidying: asyncio.Task[None] | None = None

    async def ask(
        self, arguments: Sequence[str], about: Sequence[Path] = (), moving: bool = False, gone: Gone | None = None
    ) -> dict[str, Any] | None:
        """Return what a command answers, or None where it needs longer: ask again.

        A question that nobody listens to any more is ended.

        Parameters
        ----------
        arguments
            Of the command line, without ``--json``.
        about
            The files that it reads: where one has changed, the question is a new one.
        moving
            Whether they change all the time, as those of a training do: a question that nobody has had the answer of
            is joined nevertheless, else it would be asked anew for ever.
        gone
            Says whether whoever asks has gone.

        Raises
        ------
        PonderaError
            With the sentence that the command ended with.
        """
        key = (tuple(arguments), *(version(path) for path in about))
        if moving and key not in self._known:
            open_ones = (old for old, each in reversed(self._known.items()) if old[0] == key[0] and not each.told)
            key = next(open_ones, key)
        question = self._known.get(key)
        if question is None:
            question = self._begin(key, arguments)
        self._known.move_to_end(key)
        question.waiting += 1
        listened = False
        try:
            listened = await _listens(question, gone)
        finally:
            question.waiting -= 1
            question.until = time.monotonic() + (FORGOTTEN if listened else GRACE)
            # Else what is asked last, of many that were hardly looked at, would wait for all of them.
            if not (listened or question.waiting or question.begun) and self._known.get(key) is question:
                self._drop(key)
        if question.error is not None:
            if self._known.get(key) is question:
                del self._known[key]  # what was wrong may have been mended
            raise PonderaError(question.error)
        question.told = question.answer is not None
        return question.answer

    async def answer(self, arguments: Sequence[str], about: Sequence[Path] = ()) -> dict[str, Any]:
        """Return what a command answers, however long that takes: for those that take little.

        Raises
        ------
        PonderaError
            As of :meth:`ask`.
        """
        while (found := await self.ask(arguments, about)) is None:
            pass
        return found

    def cancel(self, arguments: Sequence[str]) -> bool:
        """End a question, and return whether it was worked on."""
        found = [key for key, each in self._known.items() if key[0] == tuple(arguments) and each.answer is None]
        for key in found:
            self._drop(key)
        return bool(found)

    async def close(self) -> None:
        """End all processes; whoever waits for one is told to ask again."""
        tasks = [each.task for each in self._known.values() if each.task is not None]
        tasks += [self._tidying] if self._tidying is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._known.clear()
        await self.workers.close()

    def _begin(self, key: tuple[Any, ...], arguments: Sequence[str]) -> Question:
        check_arguments(arguments)
        self._forget()
        if sum(each.answer is None for each in self._known.values()) >= MOST_WAITING:
            raise ArgumentError("Too many questions wait for an answer. Ask again when some have been answered.")
        question = Question(tuple(arguments))
        question.task = asyncio.create_task(self._run(question))
        self._known[key] = question
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.create_task(self._tidy())
        return question

    async def _tidy(self) -> None:
        """Look after questions as long as there are some that are not answered."""
        while any(each.answer is None for each in self._known.values()):
            await asyncio.sleep(GRACE / 2)
            self._forget()

    def _forget(self) -> None:
        """Drop the answers that were asked for longest ago, and questions that nobody waits for any more."""
        now = time.monotonic()
        for key, each in list(self._known.items()):
            if each.answer is None and not each.waiting and now > each.until:
                self._drop(key)
        answered = [key for key, each in self._known.items() if each.answer is not None]
        for key in answered[: max(len(answered) - KEPT + 1, 0)]:
            self._drop(key)

    def _drop(self, key: tuple[Any, ...]) -> None:
        question = self._known.pop(key)
        if question.task is not None and question.answer is None:
            question.error = question.error or "It was ended before there was an answer. Ask again."
            question.task.cancel()

    async def _run(self, question: Question) -> None:
        """Run a command until there is an answer, or a sentence why there is none."""
        try:
            await self._answer(question)
        except (OSError, ValueError, MemoryError) as error:
            question.error = f"The command could not be run: {error or 'out of memory'}. Ask again."
        except Exception as error:
            question.error = f"This is a mistake in Pondera: {type(error).__name__}. See what the terminal says."
            raise

    async def _answer(self, question: Question) -> None:
        command, *rest = question.arguments

        def begun() -> None:
            question.begun = True

        async with self._long if command == LONG else contextlib.nullcontext():
            outcome = await self.workers.run([command, "--json", *rest], begun)
        if outcome.code == 0:
            question.answer = json.loads(outcome.out)
        elif self.workers.memory is not None and outcome.code == -signal.SIGABRT:  # how Polars ends without memory
            most = f"{self.workers.memory / 2**30:.3g} GiB"
            question.error = f"This takes more than {most} of memory. Give a smaller file, or use the command line."
        else:
            question.error = error_of(outcome.err, outcome.code)


async def _listens(question: Question, gone: Gone | None) -> bool:
    """Wait for an answer as long as that makes sense, and return whether whoever asked still listens."""
    assert question.task is not None
    end = time.monotonic() + PATIENCE
    while (left := end - time.monotonic()) > 0:
        await asyncio.wait([question.task], timeout=min(left, A_LOOK))
        if question.task.done():
            break
        if gone is not None and await gone():
            return False
    return True


def check_arguments(arguments: Sequence[str]) -> None:
    r"""Refuse what no command line can hold.

    Raises
    ------
    ArgumentError
        If there is a zero byte in an argument, or half of a letter.

    Examples
    --------
    >>> check_arguments(["--drop=a\0b"])
    Traceback (most recent call last):
    pondera.errors.ArgumentError: '--drop=a\x00b' holds what no command line can. Give plain text.
    """
    for argument in arguments:
        try:
            fits = b"\0" not in os.fsencode(argument)
        except UnicodeEncodeError:
            fits = False
        if not fits:
            raise ArgumentError(f"{argument!a} holds what no command line can. Give plain text.")


def error_of(messages: str, code: int = 1) -> str:
    r"""Return the sentence that a command ended with, if its exit code is known, below 0 where a signal did.

    Examples
    --------
    >>> error_of("Note: slow.\nError: x.csv: there is no such file.\n", 2)
    'x.csv: there is no such file.'
    >>> error_of("", -9)
    'The process was ended (signal 9), perhaps for lack of memory. Ask again.'
    """
    lines = [line.strip() for line in messages.splitlines() if line.strip()]
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    if errors:
        return errors[-1]
    if code == INTERRUPTED:
        return "The command was interrupted. Ask again."
    if code < 0 and not lines:
        return f"The process was ended (signal {-code}), perhaps for lack of memory. Ask again."
    return f"The command ended early{f': {lines[-1]}' if lines else ' and said nothing'}. Run it in a terminal."
