"""What a training does, told as it goes on: server-sent events, one reader a run however many pages listen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

EVERY = 1.0
"""Seconds between two looks at a run: whoever looks takes time from cores that train."""

BEAT = 10.0
"""Seconds after which something is said although nothing happened: a page that has gone is noticed by it."""

MOST_STREAMS = 256
"""Open at the same time."""

Watched = tuple[str, int | None]
"""The name of a run, and which of its networks; None for the first."""


class Listener:
    """One page that listens to a run. Whoever opened it closes it."""

    def __init__(self, pulses: Pulses, watched: Watched) -> None:
        self.pulses, self.watched = pulses, watched
        self._told: asyncio.Queue[str | None] = asyncio.Queue(4)

    def tell(self, told: str | None) -> None:
        """Say what is new, None where nothing more will be; a page that does not listen misses what is old."""
        while self._told.full():
            with contextlib.suppress(asyncio.QueueEmpty):
                self._told.get_nowait()
        self._told.put_nowait(told)

    async def events(self) -> AsyncIterator[str]:
        """Yield what a run does, as server-sent events: at once, and whenever that has changed."""
        while True:
            try:
                told = await asyncio.wait_for(self._told.get(), BEAT)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if told is None:
                return
            yield f"data: {told}\n\n"

    def close(self) -> None:
        """Listen no more."""
        self.pulses.leave(self)


class Pulses:
    """Looks at runs while somebody listens.

    Parameters
    ----------
    look
        Returns what a network of a run does now, as plain values; it is called in another thread.
    """

    def __init__(self, look: Callable[[str, int | None], dict[str, Any]]) -> None:
        self.look = look
        self.ended = False
        self._listeners: dict[Watched, set[Listener]] = {}
        self._tasks: dict[Watched, asyncio.Task[None]] = {}
        self._last: dict[Watched, str] = {}

    def listen(self, watched: Watched) -> Listener | None:
        """Return a listener, None where there is no room for more; it counts from here on."""
        if self.ended or sum(map(len, self._listeners.values())) >= MOST_STREAMS:
            return None
        listener = Listener(self, watched)
        self._listeners.setdefault(watched, set()).add(listener)
        if watched in self._last:
            listener.tell(self._last[watched])
        if watched not in self._tasks:
            self._tasks[watched] = asyncio.create_task(self._watch(watched))
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener; what nobody listens to is not looked at."""
        watched = listener.watched
        listeners = self._listeners.get(watched, set())
        listeners.discard(listener)
        if not listeners and watched in self._tasks:
            self._tasks.pop(watched).cancel()
            self._listeners.pop(watched, None)
            self._last.pop(watched, None)

    def end(self) -> None:
        """End all streams: the server goes, and would wait for them."""
        self.ended = True
        for listeners in self._listeners.values():
            for each in listeners:
                each.tell(None)

    async def close(self) -> None:
        """End all readers."""
        self.end()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, watched: Watched) -> None:
        while True:
            told = await asyncio.to_thread(self._looked, watched)
            if told != self._last.get(watched):
                self._last[watched] = told
                for each in self._listeners.get(watched, set()):
                    each.tell(told)
            await asyncio.sleep(EVERY)

    def _looked(self, watched: Watched) -> str:
        """Return what a run does now, as JSON; a mistake of ours is told too, and does not end the stream."""
        try:
            return json.dumps(self.look(*watched), allow_nan=False)
        except Exception as error:
            logging.getLogger(__name__).exception("while looking at %s", watched[0])
            problem = f"This is a mistake in Pondera: {type(error).__name__}. See what the terminal says."
            return json.dumps({"activity": "ended", "error": None, "there": False, "problem": problem})
