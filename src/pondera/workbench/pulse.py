"""What a training does, told as it goes on: server-sent events, one reader a run however many pages listen."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

EVERY = 0.25
"""Seconds between two looks at a run."""

BEAT = 10.0
"""Seconds after which something is said although nothing happened: a page that has gone is noticed by it."""

MOST_STREAMS = 256
"""Open at the same time."""


class Pulses:
    """Looks at runs while somebody listens.

    Parameters
    ----------
    look
        Returns what a run of that name does now, as plain values; it is called in another thread.
    """

    def __init__(self, look: Callable[[str], dict[str, Any]]) -> None:
        self.look = look
        self.streams = 0
        self._listeners: dict[str, set[asyncio.Queue[str]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, str] = {}

    @property
    def full(self) -> bool:
        """Whether no more streams can be opened."""
        return self.streams >= MOST_STREAMS

    async def stream(self, name: str) -> AsyncIterator[str]:
        """Yield what a run does, as server-sent events: at once, and whenever that has changed."""
        queue: asyncio.Queue[str] = asyncio.Queue(4)
        self.streams += 1
        listeners = self._listeners.setdefault(name, set())
        listeners.add(queue)
        if name in self._last:
            queue.put_nowait(self._last[name])
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._watch(name))
        try:
            while True:
                try:
                    told = await asyncio.wait_for(queue.get(), BEAT)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                yield f"data: {told}\n\n"
        finally:
            self.streams -= 1
            listeners.discard(queue)
            if not listeners and name in self._tasks:
                self._tasks.pop(name).cancel()
                self._listeners.pop(name, None)
                self._last.pop(name, None)

    async def close(self) -> None:
        """End all readers."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, name: str) -> None:
        while True:
            told = json.dumps(await asyncio.to_thread(self.look, name))
            if told != self._last.get(name):
                self._last[name] = told
                for queue in self._listeners.get(name, set()):
                    if queue.full():  # a page that does not listen misses what is old
                        with contextlib.suppress(asyncio.QueueEmpty):
                            queue.get_nowait()
                    queue.put_nowait(told)
            await asyncio.sleep(EVERY)
