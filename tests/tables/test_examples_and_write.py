import polars as pl
import pytest

from pondera.errors import ArgumentError, TableError
from pondera.tables import EXAMPLES, load_example, read_table, write_predictions

FRAME = pl.DataFrame({"p": [0.1, None], "label": ["a,b", 'say "x"']})


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_loads(name):
    frame, target, description = load_example(name)
    assert target in frame.columns
    assert frame.columns[-1] == target
    assert frame.null_count().sum_horizontal()[0] == 0
    assert f"{frame.height:,}" in description


def test_classes_of_examples_have_names():
    frame, target, _ = load_example("breast_cancer")
    assert sorted(frame[target].unique()) == ["benign", "malignant"]
    assert "mean radius" in frame.columns
    assert (frame[target] == "malignant").sum() == 212


def test_an_unknown_example_is_refused_with_the_closest():
    with pytest.raises(ArgumentError) as error:
        load_example("iriss")
    assert str(error.value) == (
        "Unknown example 'iriss'. Did you mean 'iris'? Known: breast_cancer, digits, wine, iris, diabetes."
    )


@pytest.mark.parametrize("end", [".csv", ".tsv", ".parquet", ".arrow", ".feather", ".ipc", ".CSV"])
def test_what_is_written_is_read_again(tmp_path, end):
    path = tmp_path / f"out{end}"
    path.write_text("old")
    write_predictions(FRAME, path)
    assert read_table(path).equals(FRAME)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_missing_value_of_a_single_column_is_not_lost(tmp_path):
    frame = pl.DataFrame({"p": [0.5, None, 1.5]})
    write_predictions(frame, tmp_path / "p.csv")
    assert read_table(tmp_path / "p.csv").equals(frame)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("out.xlsx", "the name must end in one of .csv, .tsv, .parquet"),
        ("out", "found none"),
        ("no/such/out.csv", "there is no folder"),
        ("folder.csv", "is a folder"),
    ],
)
def test_places_that_cannot_be_written_to(tmp_path, path, sentence):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(TableError) as error:
        write_predictions(FRAME, tmp_path / path)
    assert sentence in str(error.value)


def test_nothing_is_left_behind_when_writing_fails(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(TableError, match="cannot be written"):
        write_predictions(pl.DataFrame({"a": [[1], [2]]}), path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["out.csv"]
