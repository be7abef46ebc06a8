import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.network.scale import Scale
from pondera.report.terminal import (
    NEGATIVE,
    POSITIVE,
    bar,
    figure,
    messages,
    print_json,
    print_notes,
    results,
    shortened,
)
from pondera.report.training import describe
from pondera.tables.encode import Unseen


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(1, 60))
def test_bars_are_as_long_as_their_share(value, more, width):
    largest = abs(value) + more
    drawn = bar(value, largest, width)
    assert len(drawn.plain) <= width
    if largest > 0:
        eighths = sum(8 if c == "█" else " ▏▎▍▌▋▊▉".index(c) for c in drawn.plain)
        assert eighths == pytest.approx(8 * width * abs(value) / largest, abs=0.51)
    assert drawn.style == (POSITIVE if value >= 0 else NEGATIVE)


def test_of_many_notes_the_first_are_printed_and_the_others_named(capsys):
    unseen = Unseen(missing=dict.fromkeys("abcde", 2))
    print_notes(unseen.findings())
    lines = capsys.readouterr().err.splitlines()
    assert [line[:6] for line in lines] == 4 * ["Note: "]
    assert "'c'" in lines[2]
    assert lines[3] == "Note: the like is true of 'd', 'e'."


PARTS = st.sampled_from(["model", "encoder", "layers", "0", "1", "10", "attention", "Reshape_2:0", "weight", "bias"])


@given(st.lists(st.lists(PARTS, min_size=1, max_size=8).map(".".join), max_size=12), st.integers(8, 60))
@example(["model.model", "model.encoder.model", "encoder.model", "encoder.encoder.model"], 8)
def test_names_that_differ_stay_different(names, letters):
    shown = shortened(names, letters)
    assert len(set(shown)) == len(set(names))
    for name, each in zip(names, shown, strict=True):
        assert each == name or (len(name) > letters >= len(each) and "…" in each)


def test_layers_are_told_apart_by_what_they_differ_in():
    names = [f"model.encoder.layers.{k}.self_attention.{end}" for k in range(12) for end in ("query", "key")]
    shown = shortened(names, 24)
    assert max(map(len, shown)) <= 24
    assert all(f".{name.split('.')[3]}." in each for name, each in zip(names, shown, strict=True))


def test_figures_as_people_read_them():
    shown = {0.123456: "0.1235", 12.3456: "12.35", 1234.5: "1,234", -98765.4: "-98,765", 0.5: "0.5", None: "–"}
    assert {value: figure(value) for value in shown} == shown


def test_json_is_one_object(capsys):
    print_json({"a": [1.5, None], "é": "ü"})
    assert json.loads(capsys.readouterr().out) == {"a": [1.5, None], "é": "ü"}
    with pytest.raises(ValueError):
        print_json({"a": float("nan")})


def test_a_network_on_one_line():
    network = Network.create(8, [Scale(), Dense(16, "mish"), Dense(1)])
    assert describe(network) == "8 → scale → 16 mish → 1"


def test_texts_command_no_terminal(capsys):
    table = Table("a\x1b[2Jb")
    table.add_row(Text("red\x9b31m", "bold"))
    for console in (results(), messages()):
        console.print("title \x1b[31m", table)
    told = capsys.readouterr()
    for text in (told.out, told.err):
        assert not {"\x1b", "\x9b"} & set(text)
        assert "a\\x1b[2Jb" in text
        assert "red\\x9" in text  # of a text with a style the width is known before
        assert text.startswith("title \\x1b[31m")
