"""Questions: joined, forgotten, ended, and never left without an answer."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

import httpx2
import numpy as np
import polars as pl
import pytest

from pondera.errors import PonderaError
from pondera.workbench import questions as module
from pondera.workbench.kept import version
from pondera.workbench.questions import Questions
from pondera.workbench.trainings import GOING_ON
from pondera.workbench.worker import Outcome, command, run


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Give questions whose commands end when they are told to, and the list of those that began."""
    begun = []

    async def answer(self, question):
        begun.append(question)
        question.begun, question.go_on = True, asyncio.Event()
        await question.go_on.wait()
        question.answer = {"number": len(begun)}

    monkeypatch.setattr(Questions, "_answer", answer)
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    return tmp_path / "file", begun


def test_of_files_that_change_all_the_time_a_question_is_joined_until_it_was_answered(asked):
    file, begun = asked

    async def ask():
        questions = Questions(file.parent)
        for number in range(3):
            file.write_text("x" * number)
            assert await questions.ask(["surface"], [file], moving=True) is None
        assert len(begun) == 1
        begun[0].go_on.set()
        await begun[0].task
        file.write_text("changed again")
        assert await questions.ask(["surface"], [file], moving=True) == {"number": 1}
        file.write_text("and again")
        assert await questions.ask(["surface"], [file], moving=True) is None
        assert len(begun) == 2
        await questions.close()

    asyncio.run(ask())


def test_of_files_that_stand_still_a_change_is_a_new_question(asked):
    file, begun = asked

    async def ask():
        questions = Questions(file.parent)
        for number in range(2):
            file.write_text("x" * number)
            assert await questions.ask(["read"], [file]) is None
        assert len(begun) == 2
        await questions.close()

    asyncio.run(ask())


def test_what_nobody_waits_for_is_dropped_though_nobody_asks_anything(asked, monkeypatch):
    file, begun = asked
    monkeypatch.setattr(module, "FORGOTTEN", 0.01)
    monkeypatch.setattr(module, "GRACE", 0.01)

    async def ask():
        questions = Questions(file.parent)
        await questions.ask(["read"], [file])
        await asyncio.wait_for(questions._tidying, 30)
        assert begun[0].task.cancelled() or begun[0].task.cancelling()
        assert not questions._known

    asyncio.run(ask())


def test_what_the_last_listener_has_left_is_ended_after_a_moment(asked, monkeypatch):
    """A page that is loaded again joins it until then; what another page waits for goes on."""
    file, begun = asked
    monkeypatch.setattr(module, "PATIENCE", 30)
    monkeypatch.setattr(module, "GRACE", 0.2)
    monkeypatch.setattr(module, "A_LOOK", 0.01)

    async def gone():
        return True

    async def ask():
        questions = Questions(file.parent)
        assert await questions.ask(["explain"], gone=gone) is None
        again = asyncio.create_task(questions.ask(["explain"]))
        await asyncio.sleep(0.5)
        assert len(begun) == 1
        begun[0].go_on.set()
        assert await again == {"number": 1}
        assert await questions.ask(["explain", "--row=1"], gone=gone) is None
        await asyncio.wait_for(questions._tidying, 30)
        assert begun[1].task.cancelled()
        assert [each.arguments for each in questions._known.values()] == [("explain",)]
        await questions.close()

    asyncio.run(ask())


def test_what_nobody_waits_for_and_is_not_begun_makes_room_at_once(tmp_path, monkeypatch):
    """Of many that were asked one after another, and left, the last one is worked on next."""
    monkeypatch.setattr(module, "A_LOOK", 0.01)
    worked_on, may = [], asyncio.Event()

    async def gone():
        return True

    async def ask():
        questions = Questions(tmp_path)

        async def working(arguments, begun):
            async with room:
                begun()
                worked_on.append(arguments[-1])
                await may.wait()
                return Outcome(0, "{}", "")

        room = asyncio.Semaphore(1)
        monkeypatch.setattr(questions.workers, "run", working)
        kept = asyncio.create_task(questions.ask(["weight", "first"]))
        await asyncio.sleep(0)
        for k in range(20):
            with pytest.raises(PonderaError, match="ended before"):
                await questions.ask(["weight", str(k)], gone=gone)
        last = asyncio.create_task(questions.ask(["weight", "last"]))
        await asyncio.sleep(0.05)
        may.set()
        assert await kept == await last == {}
        assert worked_on == ["first", "last"]
        await questions.close()

    asyncio.run(ask())


def test_explanations_leave_room_for_what_is_short(tmp_path, monkeypatch):
    begun, may = [], asyncio.Event()

    async def ask():
        questions = Questions(tmp_path)

        async def working(arguments, told):
            told()
            begun.append(arguments[-1])
            await may.wait()
            return Outcome(0, "{}", "")

        monkeypatch.setattr(questions.workers, "run", working)
        tasks = [asyncio.create_task(questions.ask(["explain", str(k)])) for k in range(4)]
        tasks.append(asyncio.create_task(questions.ask(["weight", "short"])))
        await asyncio.sleep(0.05)
        assert begun == ["0", "1", "short"]
        may.set()
        await asyncio.gather(*tasks)
        assert begun == ["0", "1", "short", "2", "3"]
        await questions.close()

    asyncio.run(ask())


@pytest.mark.parametrize("change", ["another", "link"])
def test_a_file_that_is_replaced_by_one_of_the_same_size_and_time_is_asked_about_anew(tmp_path, change):
    place, other = tmp_path / "file", tmp_path / "other"
    place.write_text("one")
    other.write_text("two")
    os.utime(other, ns=(place.stat().st_atime_ns, place.stat().st_mtime_ns))
    before = version(place)
    if change == "another":
        other.replace(place)
    else:
        place.rename(tmp_path / "moved")
        place.symlink_to(tmp_path / "moved")
    assert version(place) != before


def test_a_page_that_goes_ends_its_question(begin, folder):
    address, process = begin(folder)
    with httpx2.Client(base_url=address.split("/?")[0]) as client:
        client.get(f"/?{address.split('?')[1]}")
        with open(folder / "large.npy", "wb") as file:  # takes minutes to look through, and no place on the disk
            np.lib.format.write_array_header_2_0(
                file, {"descr": "<f8", "fortran_order": False, "shape": (1 << 20, 1 << 16)}
            )
            file.truncate(file.tell() + (1 << 39))
        with pytest.raises(httpx2.TimeoutException):
            client.get("/api/checkpoint?file=large.npy", timeout=3)
        for _ in range(600):
            if not children_of(process.pid):
                return
            time.sleep(0.05)
    pytest.fail("it goes on")


def children_of(number):
    told = subprocess.run(["ps", "-o", "pid=,stat=", "--ppid", str(number)], capture_output=True, text=True).stdout
    return [line for line in told.splitlines() if not line.split()[1].startswith("Z")]


@pytest.mark.parametrize("error", [FileNotFoundError("no python"), ValueError("no JSON"), MemoryError(), KeyError("x")])
def test_a_command_that_cannot_be_run_is_a_sentence(monkeypatch, tmp_path, error):
    async def fail(self, question):
        raise error

    monkeypatch.setattr(Questions, "_answer", fail)

    async def ask():
        questions = Questions(tmp_path)
        with pytest.raises(PonderaError, match=r"\.$"):
            await questions.ask(["read"])
        assert not questions._known
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    asyncio.run(ask())


def test_who_waits_for_a_question_that_is_cancelled_is_told(asked, monkeypatch):
    file, _ = asked
    monkeypatch.setattr(module, "PATIENCE", 30)

    async def ask():
        questions = Questions(file.parent)
        waiting = asyncio.create_task(questions.ask(["read"]))
        await asyncio.sleep(0)
        assert questions.cancel(["read"])
        with pytest.raises(PonderaError, match="ended before"):
            await waiting

    asyncio.run(ask())


def test_a_command_ends_where_the_server_ends(tmp_path):
    """However that ends: the other end of the pipe closes with it."""
    working = (
        "import os; from pondera.workbench import worker; "
        "worker.run = lambda _: (os.write(2, b'working\\n'), os.read(os.pipe()[0], 1)); worker.main()"
    )
    begun = [sys.executable, "-c", working, *command(tmp_path)[4:]]
    serving = (
        f"import subprocess, time; p = subprocess.Popen({begun!r}, stdin=-1, stderr=1); p.stdin.write(b'[]\\n'); "
        "p.stdin.flush(); print(p.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", serving], stdout=subprocess.PIPE, text=True)
    number = int(parent.stdout.readline())
    assert parent.stdout.readline() == "working\n"
    os.kill(number, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(600):
        if not is_there(number):
            return
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)
    pytest.fail("it is still there")


def test_no_module_of_the_folder_is_run(client, folder):
    """Python would look for modules in the folder that a command runs in first."""
    for name in ("typer", "numpy", "polars"):
        (folder / f"{name}.py").write_text("open('was-run', 'w')\n")
    assert client.get("/api/checkpoint?file=weights.safetensors").status_code in (200, 202)
    options = {"table": "signs.csv", "target": "kind", "recipe": "plain", "hidden": [2], "epochs": 1}
    assert client.post("/api/training", json={"run": "once", **options}).status_code == 201
    for path in ("/api/checkpoint?file=weights.safetensors", "/api/training?run=once"):
        while (answer := client.get(path)).status_code == 202 or answer.json().get("activity") in GOING_ON:
            time.sleep(0.1)
        assert answer.status_code == 200
        assert answer.json().get("error") is None
    assert (folder / "once" / "model.safetensors").exists()
    assert not (folder / "was-run").exists()


def test_what_a_weight_does_is_asked_anew_where_the_table_of_the_run_was_taken_away_or_put_back(client, folder):
    with contextlib.chdir(folder):
        train = ["train", "signs.csv", "--target=kind", "--recipe=plain", "--hidden=3", "--epochs=2", "--out=run"]
        assert run(train).code == 0

    def change():
        while (answer := client.get("/api/run/weight?run=run&weight=layers.0.weight[0,0]")).status_code == 202:
            pass
        return answer.json()["answer"]["ablation_loss_change"]

    before = change()
    assert isinstance(before, float)
    (folder / "signs.csv").rename(folder / "away.csv")
    assert change() is None
    (folder / "away.csv").rename(folder / "signs.csv")
    assert change() == before


def is_there(number):
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True).stdout.strip()
    return bool(told) and not told.startswith("Z")


def test_a_run_that_was_trained_on_a_table_elsewhere(client, folder):
    """What a run names is read only where it lies below the folder: its rows would be answered with."""
    x, y = np.random.default_rng(0).normal(size=(2, 60))
    pl.DataFrame({"x": x, "y": y, "z": x + y}).write_csv(folder.parent / "elsewhere.csv")
    train = ["train", "../elsewhere.csv", "--target=z", "--recipe=plain", "--hidden=3", "--epochs=2", "--out=run"]
    subprocess.run([sys.executable, "-m", "pondera", *train], cwd=folder, check=True, capture_output=True)
    for path in ("surface", "weight?weight=layers.0.weight[0,0]"):
        for _ in range(20):
            answer = client.get(f"/api/run/{path}{'&' if '?' in path else '?'}run=run")
            if answer.status_code != 202:
                break
        told = answer.json()
        assert "outside of the folder" in (told["error"] if path == "surface" else told["answer"]["note"])
        assert answer.status_code == (400 if path == "surface" else 200)  # what was recorded is the run's own
    assert told["answer"]["rows_up"] is told["answer"]["ablation_loss_change"] is None
    assert client.get("/api/run/curves?run=run").status_code == 200


@pytest.mark.parametrize(("more", "option"), [({"row": 3}, "--row=3"), ({"retrain": True}, "--retrain")])
def test_what_is_cancelled_is_what_was_asked(client, monkeypatch, more, option):
    asked, cancelled = [], []

    async def ask(self, arguments, *_):
        asked.append(arguments)

    monkeypatch.setattr(Questions, "ask", ask)
    monkeypatch.setattr(Questions, "cancel", lambda self, arguments: cancelled.append(arguments) or True)
    query = {"model": "weights.safetensors", "table": "signs.csv", **more}
    assert client.get("/api/explanation", params=query).status_code == 202
    assert client.delete("/api/explanation", params=query).json() == {"cancelled": True}
    assert asked == cancelled
    assert option in asked[0]
