"""Uploads: whole and known before they have a name, and never in place of another file."""

import socket
import threading
import time
from asyncio import to_thread

import httpx2
import pytest

from pondera.files import lock
from pondera.workbench import uploads
from pondera.workbench.served import OWN, Served


@pytest.fixture
def names(folder):
    return lambda: sorted(each.name for each in folder.iterdir())


def settled(monkeypatch, before):
    """Have something happen after a file was read, and before it gets its name."""
    check = uploads._check

    async def checked(bench, place):
        await check(bench, place)
        await to_thread(before)

    monkeypatch.setattr(uploads, "_check", checked)


def test_two_of_one_name_at_once_are_both_kept(client, folder, monkeypatch):
    both = threading.Barrier(2)
    settled(monkeypatch, lambda: both.wait(30))
    answers = []

    def put(text):
        answers.append(client.put("/api/upload?name=same.csv", content=text))

    threads = [threading.Thread(target=put, args=(f"a,b\n{k},1\n",)) for k in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(each.json()["name"] for each in answers) == ["same-2.csv", "same.csv"]
    assert {(folder / each.json()["name"]).read_text() for each in answers} == {"a,b\n0,1\n", "a,b\n1,1\n"}


def test_a_file_that_comes_to_be_meanwhile_is_not_replaced(client, folder, monkeypatch):
    settled(monkeypatch, lambda: (folder / "mine.csv").write_text("precious"))
    assert client.put("/api/upload?name=mine.csv", content=b"a,b\n1,2\n").json()["name"] == "mine-2.csv"
    assert (folder / "mine.csv").read_text() == "precious"


def test_one_that_is_refused_takes_nothing_with_it(client, folder, names):
    (folder / "two.csv").write_text("a,b\n1,2\n")
    answer = client.put("/api/upload?name=two.csv", content=b"PAR1" + b"\x00\xff" * 50)
    assert answer.status_code == 400
    assert "two.csv" in answer.json()["error"]
    assert (folder / "two.csv").read_text() == "a,b\n1,2\n"
    assert names() == ["signs.csv", "two.csv", "weights.safetensors"]


def test_no_name_is_seen_before_the_file_is_whole(client, folder, names):
    seen = []

    def content():
        yield b"a,b\n1,2\n"
        seen.append(names())
        yield b"3,4\n"

    assert client.put("/api/upload?name=new.csv", content=content()).status_code == 201
    assert all("new.csv" not in each for each in seen)
    assert names() == ["new.csv", "signs.csv", "weights.safetensors"]


def test_a_file_system_that_has_one_name_a_file(client, folder, monkeypatch):
    def refused(*_, **__):
        raise PermissionError

    monkeypatch.setattr("os.link", refused)
    for name in ("a.csv", "a-2.csv"):
        content = f"x,y\n1,{len(name)}\n".encode()
        assert client.put("/api/upload?name=a.csv", content=content).json()["name"] == name
        assert (folder / name).read_bytes() == content


def test_what_a_server_that_was_killed_left_is_thrown_away(folder):
    served = Served(folder)
    for name in ("killed", "now"):
        (folder / OWN / "uploads" / name).mkdir(parents=True)
        (folder / OWN / "uploads" / name / "x.csv").write_text("half")
    with lock(folder / OWN / "uploads" / "now" / "x.csv"):  # of a server that receives it
        uploads.clear(served)
    assert [each.name for each in (folder / OWN / "uploads").iterdir()] == ["now"]


def test_an_upload_that_is_cut_off_leaves_nothing_and_says_nothing(begin, folder, names):
    address, process = begin(folder)
    base = address.split("/?")[0]
    with httpx2.Client(base_url=base) as client:
        client.get(f"/?{address.split('?')[1]}")
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        host = base.removeprefix("http://")
        with socket.create_connection(tuple(host.split(":"))) as cut:
            head = f"PUT /api/upload?name=cut.csv HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n"
            cut.sendall(f"{head}Content-Length: 1000000\r\n\r\na,b\n1,2\n".encode())
            until(lambda: list((folder / OWN / "uploads").glob("*/cut.csv")))
            assert "cut.csv" not in names()
        until(lambda: not (folder / OWN).exists())
        assert client.get("/api/about").status_code == 200
    process.kill()
    process.wait()
    assert "Traceback" not in "".join(process.said)


def until(true):
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("it did not become so")
