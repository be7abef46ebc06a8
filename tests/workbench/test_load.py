"""Many at once: they are answered or refused, and nothing piles up."""

import asyncio
import subprocess
from itertools import product

import httpx2
import numpy as np
import pytest
from safetensors.numpy import save_file

import pondera
from pondera.workbench.pulse import MOST_STREAMS

MEGABYTE = 1 << 20
GROWTH = 300 * MEGABYTE  # of it 128 of what is kept
RUNS, LISTENERS, TILES = 20, 10, 100


@pytest.fixture
def server(begin, folder):
    x = np.random.default_rng(0).normal(size=(20, 2))
    for number in range(RUNS):
        start = pondera.Network.create(2, pondera.Dense(1), seed=number)
        with pondera.runs.Recorder(folder / f"run {number}") as recorder:
            pondera.fit(start, x, x[:, 0], pondera.Plan(epochs=1), recorder=recorder)
    save_file({"w": np.random.default_rng(0).normal(size=(1200, 1200)).astype(np.float32)}, folder / "big.safetensors")
    address, process = begin(folder)
    yield address, process
    process.kill()
    process.wait()


def memory(process):
    """Bytes that a process has in memory; 0 where the system does not say."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(process.pid)], capture_output=True, text=True)
    return 1024 * int(told.stdout or 0)


def test_tiles_and_lists_beside_streams_of_many_runs(server):
    address, process = server

    async def many():
        limits = httpx2.Limits(max_connections=500)
        async with httpx2.AsyncClient(base_url=address.split("/?")[0], limits=limits, timeout=120) as client:
            await client.get(f"/?{address.split('?')[1]}")
            assert (await client.get("/api/runs")).status_code == 200
            before = memory(process)
            opened = asyncio.Semaphore(0)
            done = asyncio.Event()

            async def listen(number):
                async with client.stream("GET", f"/api/run/events?run=run {number}") as answer:
                    told = await anext(answer.aiter_lines())
                    opened.release()
                    await done.wait()
                    return answer.status_code, told

            async def tile(number):
                asked = {"top": number, "bottom": number + 1024, "left": number, "right": number + 1024}
                query = {"file": "big.safetensors", "tensor": "w", "down": 1024, "across": 1024, **asked}
                found = await client.get("/api/tile", params=query)
                return found.status_code, len(found.content)

            streams = [asyncio.create_task(listen(number)) for number, _ in product(range(RUNS), range(LISTENERS))]
            for _ in streams:
                await asyncio.wait_for(opened.acquire(), 120)
            lists = await asyncio.gather(*(client.get("/api/files") for _ in range(300)))
            tiles = [await tile(number) for number in range(TILES)]
            done.set()
            heard = await asyncio.gather(*streams)
            return before, [each.status_code for each in lists], tiles, heard

    before, lists, tiles, heard = asyncio.run(many())
    assert set(lists) == {200}
    assert set(tiles) == {(200, 4 * MEGABYTE)}
    assert {status for status, _ in heard} == {200}
    assert all(told.startswith("data: ") and '"there": true' in told for _, told in heard)
    assert memory(process) - before < GROWTH  # all tiles together would be more
    assert process.poll() is None


def test_streams_are_counted_before_they_are_read(client):
    """Those that are opened at once are no more than there is room for, and each is given back when it is closed."""
    pulses = client.app.app.state.bench.pulses

    async def open_all():
        opened = [pulses.listen(("none", None)) for _ in range(MOST_STREAMS + 44)]
        assert [each is None for each in opened] == [False] * MOST_STREAMS + [True] * 44
        return opened

    opened = client.portal.call(open_all)
    answer = client.get("/api/run/events?run=none")
    assert answer.status_code == 503
    assert "Close some" in answer.json()["error"]

    async def close_all():
        for each in opened[:MOST_STREAMS]:
            each.close()
        return pulses._listeners, pulses._tasks

    assert client.portal.call(close_all) == ({}, {})
