"""Many at once: they are answered or refused, and nothing piles up."""

import asyncio
import re
import signal
import subprocess
import sys

import httpx2
import pytest

from pondera.workbench.pulse import MOST_STREAMS

MEGABYTE = 1 << 20
GROWTH = 200 * MEGABYTE


@pytest.fixture
def server(pages, folder):
    arguments = [sys.executable, "-m", "pondera", "ui", ".", "--port", "0"]
    process = subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True)
    yield re.search(r"http\S+", process.stderr.readline())[0], process
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()


def memory(process):
    """Bytes that a process has in memory; 0 where the system does not say."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(process.pid)], capture_output=True, text=True)
    return 1024 * int(told.stdout or 0)


def test_a_thousand_requests_beside_two_hundred_streams(server):
    address, process = server

    async def many():
        # No connection is used twice: the server closes those that are idle for seconds, as they are on a busy machine.
        limits = httpx2.Limits(max_connections=500, max_keepalive_connections=0)
        async with httpx2.AsyncClient(base_url=address.split("/?")[0], limits=limits, timeout=300) as client:
            await client.get(f"/?{address.split('?')[1]}")
            assert (await client.get("/api/runs")).status_code == 200
            before = memory(process)
            opened = asyncio.Semaphore(0)
            done = asyncio.Event()

            async def listen():
                async with client.stream("GET", "/api/run/events?run=none") as answer:
                    told = await anext(answer.aiter_lines())
                    opened.release()
                    await done.wait()
                    return answer.status_code, told

            streams = [asyncio.create_task(listen()) for _ in range(200)]
            for _ in streams:
                await asyncio.wait_for(opened.acquire(), 300)
            answers = await asyncio.gather(*(client.get("/api/files") for _ in range(1000)))
            done.set()
            heard = await asyncio.gather(*streams)
            return before, [each.status_code for each in answers], heard

    before, answers, heard = asyncio.run(many())
    assert set(answers) == {200}
    assert {status for status, _ in heard} == {200}
    assert all(told.startswith("data: ") for _, told in heard)
    assert memory(process) - before < GROWTH
    assert process.poll() is None


def test_more_streams_than_there_is_room_for_are_refused(client):
    client.app.app.state.bench.pulses.streams = MOST_STREAMS
    answer = client.get("/api/run/events?run=none")
    assert answer.status_code == 503
    assert "Close some" in answer.json()["error"]
