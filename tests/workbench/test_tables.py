"""Tables are looked at by processes of their own: a small file may hold more than there is memory."""

import sys

import polars as pl
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's memory")

MANY = 60_000_000


@pytest.fixture
def large(guard, folder):
    """A Parquet file of some hundred kilobytes that is half a gigabyte when it is decoded, of which there is less."""
    pl.select(x=pl.repeat(1, MANY, dtype=pl.Int64)).write_parquet(folder / "large.parquet")
    assert (folder / "large.parquet").stat().st_size < 200_000
    return folder / "large.parquet"


def test_a_small_file_that_holds_much_is_a_sentence(guard, client, large, monkeypatch):
    guard.app.state.bench.tables.workers.memory = 300 << 20
    monkeypatch.delattr("pondera.tables.read.read_table")  # by the server nothing is decoded
    assert client.get("/api/table?file=signs.csv").status_code == 200
    answers = [
        client.get("/api/table?file=large.parquet"),
        client.put("/api/upload?name=other.parquet", content=large.read_bytes()),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert "memory" in answer.json()["error"]
        assert answer.json()["error"].endswith(".")
    assert not (large.parent / "other.parquet").exists()


def test_a_file_that_is_larger_than_the_memory_is_a_sentence(guard, client, folder):
    guard.app.state.bench.tables.workers.memory = 300 << 20
    with open(folder / "large.csv", "wb") as file:
        file.write(b"a,b\n")
        file.truncate(20 << 30)  # it takes no place on the disk
    answer = client.get("/api/table?file=large.csv")
    assert answer.status_code == 400
    assert "memory" in answer.json()["error"]
