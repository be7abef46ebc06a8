"""Processes that run commands one after another: kept, replaced, ended."""

import asyncio
import json
import os
import signal
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from pondera.workbench import worker, workers
from pondera.workbench.workers import Workers

NEURON = ["neuron", "--inputs=5,2", "--weights=0.7,0.3", "--bias=1", "--json"]


def with_workers(folder, use, most=1, **more):
    """Have some processes run what a coroutine asks of them."""

    async def run():
        found = Workers(folder, most, **more)
        try:
            return await use(found)
        finally:
            await found.close()

    return asyncio.run(run())


@pytest.fixture
def begun(monkeypatch):
    """The processes that were begun, in their order."""
    found = []
    begin = workers._Worker.begin

    async def counted(*arguments):
        found.append(await begin(*arguments))
        return found[-1]

    monkeypatch.setattr(workers._Worker, "begin", counted)
    return found


def test_a_process_runs_one_command_after_another(tmp_path, begun):
    save_file({"w": np.ones((300, 70), np.float32)}, tmp_path / "weights.safetensors")

    async def use(found):
        return [await found.run(each) for each in (NEURON, ["read", "weights.safetensors", "--json"], NEURON)]

    first, read, again = with_workers(tmp_path, use)
    assert json.loads(first.out)["output"] == 5.1
    assert json.loads(read.out)["tensors"][0]["shape"] == [300, 70]
    assert first == again
    assert len(begun) == 1
    assert begun[0].process.returncode == -signal.SIGKILL  # it was ended with the others


def test_what_a_command_says_is_its_own(tmp_path, begun):
    async def use(found):
        return [await found.run(each) for each in (["read", "no\udcfcthing", "--json"], ["read"], NEURON)]

    missing, usage, neuron = with_workers(tmp_path, use)
    assert (missing.code, missing.out) == (2, "")
    assert missing.err.count("\n") == 1
    assert "there is no such file" in missing.err
    assert usage.code == 2
    assert "pondera read --help" in usage.err
    assert (neuron.code, neuron.err) == (0, "")
    assert len(begun) == 1


def test_two_work_at_the_same_time_and_more_wait(tmp_path, begun):
    async def use(found):
        return await asyncio.gather(*(found.run(NEURON) for _ in range(5)))

    assert {each.code for each in with_workers(tmp_path, use, most=2)} == {0}
    assert len(begun) == 2


def test_with_a_limited_memory_each_command_has_a_process_of_its_own(tmp_path, begun):
    async def use(found):
        for _ in range(2):
            assert (await found.run(NEURON)).code == 0

    with_workers(tmp_path, use, memory=2 << 30)
    assert len(begun) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_one_that_was_killed_while_it_waited_is_replaced(tmp_path, begun):
    """Also where that is not known yet."""

    async def use(found):
        assert (await found.run(NEURON)).code == 0
        os.kill(begun[-1].process.pid, signal.SIGKILL)
        assert (await found.run(NEURON)).code == 0
        os.kill(begun[-1].process.pid, signal.SIGKILL)
        await begun[-1].process.wait()
        assert (await found.run(NEURON)).code == 0

    with_workers(tmp_path, use)
    assert len(begun) == 3


def test_one_that_ends_over_a_command_tells_what_it_said_last(tmp_path, begun, monkeypatch):
    ending = "import os; os.write(2, b'no more\\n'); os._exit(3)"
    monkeypatch.setattr(worker, "command", lambda *_: [sys.executable, "-c", f"input(); {ending}"])

    async def use(found):
        return [await found.run(NEURON) for _ in range(2)]

    for outcome in with_workers(tmp_path, use):
        assert (outcome.code, outcome.out, outcome.err) == (3, "", "no more\n")
    assert len(begun) == 2


def test_one_whose_command_is_cancelled_ends(tmp_path, begun, monkeypatch):
    monkeypatch.setattr(worker, "command", lambda *_: [sys.executable, "-c", "import time; time.sleep(600)"])

    async def use(found):
        asked = asyncio.create_task(found.run(NEURON))
        while not begun:
            await asyncio.sleep(0.01)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert begun[0].process.returncode == -signal.SIGKILL
        monkeypatch.undo()
        assert (await found.run(NEURON)).code == 0

    with_workers(tmp_path, use)


def test_one_with_nothing_to_do_ends(tmp_path, begun, monkeypatch):
    monkeypatch.setattr(workers, "IDLE", 0.1)

    async def use(found):
        await found.run(NEURON)
        assert await asyncio.wait_for(begun[0].process.wait(), 60) == 0
        assert (await found.run(NEURON)).code == 0

    with_workers(tmp_path, use)
    assert len(begun) == 2


@pytest.mark.parametrize("ends", ["worker.MANY = 2", "worker.MOST = 1"])
def test_one_that_ends_after_an_answer_does_so_in_silence(tmp_path, begun, monkeypatch, ends):
    soon = f"import sys; from pondera.workbench import worker; {ends}; worker.main()"
    monkeypatch.setattr(worker, "command", lambda folder, _: [sys.executable, "-c", soon, str(folder)])
    monkeypatch.setattr("asyncio.subprocess.Process.kill", lambda _: None)

    async def use(found):
        return [await found.run(NEURON) for _ in range(4)]

    assert [each.code for each in with_workers(tmp_path, use)] == [0] * 4
    assert len(begun) == (2 if "MANY" in ends else 4)
    assert [(each.process.returncode, each._words) for each in begun] == [(0, "")] * len(begun)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_one_that_is_interrupted_while_it_waits_ends_in_silence(tmp_path, begun):
    async def use(found):
        await found.run(NEURON)
        os.kill(begun[0].process.pid, signal.SIGINT)
        assert await begun[0].process.wait() == 0
        assert begun[0]._words == ""
        assert os.getpgid(os.getpid()) != begun[0].process.pid

    with_workers(tmp_path, use)


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use stays")
def test_where_another_folder_takes_the_place_it_is_read(tmp_path, begun):
    served = tmp_path / "served"

    async def use(found):
        shapes = []
        for k in range(2):
            served.mkdir()
            save_file({"w": np.ones((3, k + 1), np.float32)}, served / "weights.safetensors")
            outcome = await found.run(["read", "weights.safetensors", "--json"])
            shapes.append(json.loads(outcome.out)["tensors"][0]["shape"])
            served.rename(tmp_path / f"moved-{k}")
        return shapes

    assert with_workers(served, use) == [[3, 1], [3, 2]]


def test_what_a_library_prints_by_itself_is_no_answer(tmp_path, monkeypatch):
    talking = (
        "import os; from pondera.workbench import worker; run = worker.run; "
        "worker.run = lambda asked: (os.write(1, b'12345678nonsense'), run(asked))[1]; worker.main()"
    )
    monkeypatch.setattr(worker, "command", lambda folder, _: [sys.executable, "-c", talking, str(folder)])
    outcome = with_workers(tmp_path, lambda found: found.run(NEURON))
    assert json.loads(outcome.out)["output"] == 5.1
