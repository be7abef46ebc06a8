"""A folder of hostile files of weights, asked for by the page's interface: each is refused in a sentence, or read."""

import resource
import runpy
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

MAKE = runpy.run_path(str(Path(__file__).parents[1] / "weights" / "hostile" / "make.py"))
GROUPS, MODELS = MAKE["all_cases"]()
CASES = {name: case for cases in GROUPS.values() for name, case in cases.items()}
FIRST = {next(iter(cases)) for cases in GROUPS.values()}  # of each kind of files
MEMORY = 600 << 20  # of the server, which opens files itself where a page asks for a piece of a tensor
ADDRESSES = 6 << 30  # of the server and of each command that it runs


@pytest.fixture(scope="module")
def server(begin, tmp_path_factory):
    """A server whose folder is full of them, and whose memory is limited."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, (_, _, content) in CASES.items():
        MAKE["write"](folder / name, content)
    address, process = begin(folder)
    resource.prlimit(process.pid, resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    with httpx2.Client(base_url=address.split("/?")[0], timeout=900) as client:
        client.get(f"/?{address.split('?')[1]}")
        yield client, process, sorted(each.name for each in folder.iterdir())
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def answers(server):
    """What the page is told of each file by the server itself, its contents and a tensor; of some by the command too.

    The command is a process for each file, and the same readers: all files are read by it in the catalogue's own test.
    """
    client, *_ = server

    def ask(name):
        own = [
            client.get("/api/contents", params={"file": name}),
            client.get("/api/tensor", params={"file": name, "tensor": "w"}),
        ]
        # What is in the values, only reading them tells; the models are fine as weights, all in the same way.
        asked = name in FIRST or (own[0].status_code == 200 and name not in MODELS)
        for _ in range(100 * asked):
            told = client.get("/api/checkpoint", params={"file": name})
            if told.status_code != 202:
                return [told, *own]
        return own

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(CASES, pool.map(ask, CASES), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_each_is_refused_with_its_sentence_or_read(answers, name):
    told, *rest = answers[name]
    words = None if name in MODELS else CASES[name][1]
    linked = told.status_code == 400 and "is a link, which is not followed" in told.json()["error"]
    if linked:  # the folder serves no links, whatever they lead to
        return
    if words is None:
        assert told.status_code == 200, told.text
        assert "\x1b" not in told.text
    else:
        assert told.status_code == 400
        assert words in told.json()["error"]
    for refused in (each for each in [told, *rest] if each.status_code != 200):
        assert refused.status_code == 400
        sentence = refused.json()["error"]
        assert sentence.endswith(".")
        assert len(sentence.splitlines()) == 1
        assert words is None or name in sentence or "tensor" in sentence


def test_the_server_is_up_and_its_memory_bounded(server, answers):
    client, process, names = server
    assert process.poll() is None
    assert client.get("/api/about").status_code == 200
    assert client.get("/api/files").status_code == 200
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(process.pid)], capture_output=True, text=True)
    assert 1024 * int(told.stdout or 0) < MEMORY
    folder = Path(f"/proc/{process.pid}/cwd")
    if folder.exists():
        assert sorted(each.name for each in folder.iterdir()) == names  # nothing was written


def test_a_file_that_is_fine_is_read_beside_them(server):
    client, *_ = server
    assert client.get("/api/checkpoint", params={"file": "extremes.npy"}).status_code == 200
