"""What the columns of a table are, before anything is trained on them."""

import re
from pathlib import Path

import polars as pl
import pytest

from pondera.tables.summary import summary

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.fixture
def table(tmp_path):
    place = tmp_path / "people.csv"
    frame = pl.DataFrame({"age": [31, None] * 200, "job": ["cook", "baker"] * 200, "id": [f"p{k}" for k in range(400)]})
    frame.write_csv(place)
    return place


def test_columns_are_told_and_what_had_better_be_left_out(run, table):
    told = run("columns", table, "--json").json
    assert (told["rows"], told["target"]) == (400, "job")
    assert [(each["kind"], each["missing"], each["different"]) for each in told["columns"]] == [
        ("numbers", 200, 1),
        ("texts", 0, 2),
        ("texts", 0, 400),
    ]
    assert "id" in told["columns"][2]["problem"]
    assert run("columns", table).out.splitlines()[0] == "400 rows, 3 columns"
    section = re.search(r"^## columns\n(.*?)(?=^## )", COMMANDS.read_text(encoding="utf-8"), re.M | re.S)[1]
    assert {*told, *told["columns"][0]} <= set(re.findall(r"`(\w+)`", section))


def test_a_table_that_is_none(run, tmp_path):
    done = run("columns", tmp_path / "no-such.csv")
    assert done.code == 2
    assert "no-such.csv" in done.err


def test_a_value_that_is_none_is_found_by_its_line(run, tmp_path):
    table = tmp_path / "endless.csv"
    table.write_text("a,b\n1,2\n2,inf\n3,4\n")
    assert "line 3 of endless.csv" in run("columns", table, "--json").json["columns"][1]["problem"]


def test_values_are_plain_ones():
    frame = pl.DataFrame({"x": [1.0, float("inf"), float("nan")], "parts": [[1], [2], []]})
    number, nested = summary(frame)["columns"]
    assert (number["values"], number["low"], number["high"]) == ([1.0, "inf", "nan"], 1.0, 1.0)
    assert (nested["different"], nested["values"]) == (None, ["[1]", "[2]", "[]"])
