import csv
import datetime
import gzip
import io
import pickle
import zipfile

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pondera.errors import TableError
from pondera.tables import MISSING, place_of_row, read_table, write_predictions
from pondera.tables.text import DELIMITERS, read_delimited, sniff_delimiter
from pondera.tables.values import dates_of, find_stray, typed_text

AGES = "".join(f"{age},x\n" for age in range(1, 200))


def parquet_bytes() -> bytes:
    file = io.BytesIO()
    pl.DataFrame({"a": [1, 2]}).write_parquet(file)
    return file.getvalue()


def arrow_bytes() -> bytes:
    file = io.BytesIO()
    pl.DataFrame({"a": [1, 2]}).write_ipc(file)
    return file.getvalue()


def workbook_bytes() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


def zip_bytes() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
    return file.getvalue()


BAD = {
    "empty": (b"", "t.csv is empty: expected a table as CSV, TSV, Parquet or Arrow."),
    "blank": (b"\n \n", "t.csv is empty but for blanks"),
    "names only": (b"a,b\n", "a line of column names but no rows"),
    "names only, no end of line": (b"a,b", "a line of column names but no rows"),
    "short line": (
        b"a,b,c\n1,2,3\n4,5\n",
        "t.csv, line 3: expected 3 fields, as in the line of column names, found 2.",
    ),
    "short line after a blank one": (b"a,b\n\n1,2\n3\n", "t.csv, line 4: expected 2 fields"),
    "short line after a field of two lines": (b'a,b\n1,"x\ny"\n2\n', "t.csv, line 4: expected 2 fields"),
    "long line": (b"a,b\n1,2\n1,2,3\n", "t.csv, line 3: expected 2 fields, as in the line of column names, found 3."),
    "long line, semicolons": (b"a;b\n1;2\n1;2\n1;2;3\n", "Put quotes around a value that contains a semicolon"),
    "a short and a long line": (b"a,b,c\n1,2\n1,2,3,4\n", "t.csv, line 2: expected 3 fields"),
    "name twice": (b"a,b, a\n1,2,3\n", "the column name 'a' occurs twice, as column 1 and column 3"),
    "no name": (b"a,,c\n1,2,3\n", "t.csv, line 1: column 2 of 3 has no name"),
    "no last name": (b"a,b,\n1,2,\n", "column 3 of 3 has no name. Name it, or remove the comma too many"),
    "a pattern for a name": (b"a,^.*$\nx,y\n", "The column name '^.*$' would be taken for a pattern"),
    "open quote": (b'a,b\n1,"x\n3,4\n', "t.csv, line 2: a quote is opened and not closed"),
    "open quote in names": (b'"a,b\n1,2\n', "t.csv, line 1: a quote is opened and not closed"),
    "text after a quote": (b'a,b\n1,2\n1,"x"y\n3,4\n', "t.csv, line 3: text follows right after a closing quote"),
    "open quote in a long text": (b'a,b\n1,"' + b"x\n" * 100_000, "t.csv, line 2: a field has more than 131,072"),
    "Latin-1": ("a,b\n1,é\n".encode("latin1"), "t.csv, line 2: byte 6 (0xe9) is not UTF-8"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "t.csv is text in UTF-16; expected UTF-8. Save it as UTF-8."),
    "UTF-16 without mark": ("a,b\n1,2\n".encode("utf-16-le"), "t.csv is text in UTF-16"),
    "NUL": (b"a,b\n1,\x00\n", "does not look like a table: byte 6 (line 2) is 0"),
    "rubbish": (bytes(range(1, 256)) * 4, "does not look like a table but like binary data"),
    "rubbish below 128": (bytes(range(1, 32)) * 4, "does not look like a table but like binary data"),
    "gzip": (gzip.compress(b"a,b\n1,2\n"), "t.csv is a gzip archive"),
    "zip": (zip_bytes(), "t.csv is a zip archive"),
    "xlsx": (workbook_bytes(), "t.csv is an Excel workbook"),
    "pickle": (pickle.dumps([1]), "t.csv is a Python pickle, which can run any program when opened"),
    "NumPy": (b"\x93NUMPY\x01\x00", "t.csv is a NumPy array"),
    "SQLite": (b"SQLite format 3\x00", "t.csv is an SQLite database"),
    "web page": (b"<!DOCTYPE html><html>", "t.csv is a web page or XML"),
    "JSON": (b'[{"a": 1}]', "t.csv is JSON"),
    "Parquet, cut": (parquet_bytes()[:-20], "starts as a Parquet file but cannot be read"),
    "Parquet, start only": (b"PAR1", "It is damaged or cut short; copy or write it again."),
    "Arrow, cut": (arrow_bytes()[:-20], "starts as an Arrow file but cannot be read"),
    "Arrow stream, cut": (b"\xff\xff\xff\xff\x10", "starts as an Arrow stream but cannot be read"),
    "no number": (
        f"age,b\n{AGES}abc,x\n".encode(),
        "Column 'age', line 201 of t.csv: expected a number like the other 99.5 % of the column, found 'abc'. "
        "Correct it, or leave it empty if the value is not known.",
    ),
    "no number among few": (
        b"a\n" + b"".join(b"%d\n" % i for i in range(9)) + b"abc\n",
        "Column 'a', line 11 of t.csv",
    ),
    "no number after a field of two lines": (
        ('b,age\n"x\ny",1\n' + "".join(f"x,{age}\n" for age in range(99)) + "x,1O0\n").encode(),
        "Column 'age', line 103 of t.csv: expected a number like the other 99.01 % of the column, found '1O0'",
    ),
    "no number, decimal commas": (
        ("a;b\n" + "".join(f"{i},5;x\n" for i in range(100)) + "n.a.;x\n").encode(),
        "Column 'a', line 102 of t.csv: expected a number like the other 99.01 % of the column, found 'n.a.'",
    ),
    "no date": (
        ("d,x\n" + "".join(f"2020-01-{i % 28 + 1:02},1\n" for i in range(100)) + "2020-13-45,1\n").encode(),
        "Column 'd', line 102 of t.csv: expected a date like the other 99.01 % of the column, found '2020-13-45'",
    ),
    "a long wrong value": (f"age,b\n{AGES}{'z' * 500},x\n".encode(), f"found '{'z' * 40}...'"),
}


@pytest.fixture
def read(tmp_path):
    def read_bytes(data, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return read_table(path)

    return read_bytes


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_table_is_refused_with_its_place(read, kind):
    data, sentence = BAD[kind]
    with pytest.raises(TableError) as error:
        read(data)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("missing.csv", "There is no file"), (".", "is a folder"), ("a\0b", "cannot be read"), ("x" * 5000, "cannot be")],
)
def test_what_is_no_file_is_refused(tmp_path, path, sentence):
    with pytest.raises(TableError, match=sentence):
        read_table(tmp_path / path)


def test_a_device_is_refused_instead_of_read_for_ever():
    with pytest.raises(TableError, match="pipe or device"):
        read_table("/dev/zero")


@pytest.mark.parametrize("make", [parquet_bytes, arrow_bytes])
def test_a_damaged_binary_file_is_read_or_refused_and_nothing_else(read, make):
    data = make()
    refused = 0
    for at in range(0, len(data), 7):
        try:
            read(data[:at])
        except TableError:
            refused += 1
    assert refused == len(range(0, len(data), 7))


def test_the_content_decides_the_format_and_not_the_name(read):
    assert read(parquet_bytes(), "t.csv").equals(pl.DataFrame({"a": [1, 2]}))
    assert read(arrow_bytes(), "t.parquet").equals(pl.DataFrame({"a": [1, 2]}))
    assert read("a\tb\n1\t2\n", "t.csv").equals(pl.DataFrame({"a": [1], "b": [2]}))


def test_an_arrow_stream_is_read(tmp_path):
    frame = pl.DataFrame({"a": [1.5, None]})
    frame.write_ipc_stream(tmp_path / "t")
    assert read_table(tmp_path / "t").equals(frame)


@pytest.mark.parametrize("token", [*MISSING, "NA", "N/A", "NaN", "NULL", "Null", " ? ", "None", "none"])
def test_missing_texts_are_null_among_numbers(read, token):
    assert read(f"a,b\n1.5,x\n{token},y\n")["a"].to_list() == [1.5, None]


def test_none_stays_a_value_among_texts_and_na_does_not(read):
    assert read("a,b\nnone,1\nNA,2\nAttached,3\n")["a"].to_list() == ["none", None, "Attached"]


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "-2", "+3"], pl.Int64, [1, -2, 3]),
        (["1", "2.5", "-1e3"], pl.Float64, [1.0, 2.5, -1000.0]),
        (["99999999999999999999", "1", "2"], pl.Float64, [1e20, 1.0, 2.0]),
        (["inf", "-inf", "1"], pl.Float64, [float("inf"), float("-inf"), 1.0]),
        (["00123", "90210", "10001"], pl.String, ["00123", "90210", "10001"]),
        (["0", "1", "007"], pl.Int64, [0, 1, 7]),
        (["0", "1", "0"], pl.Int64, [0, 1, 0]),
        (["true", "FALSE", "True"], pl.Boolean, [True, False, True]),
        (["yes", "no", "no"], pl.String, ["yes", "no", "no"]),
        (["2024-01-31", "2024/02/01", "?"], pl.Date, [datetime.date(2024, 1, 31), datetime.date(2024, 2, 1), None]),
        (["01/02/2024", "02/02/2024", "x"], pl.String, ["01/02/2024", "02/02/2024", "x"]),
        (["?", "", "-"], pl.Float64, [None, None, None]),
        ([" a", "b ", "a"], pl.String, ["a", "b", "a"]),
        (["12", "12A", "14"], pl.String, ["12", "12A", "14"]),
    ],
)
def test_a_column_gets_the_type_of_all_its_values(cells, dtype, values):
    column = typed_text(pl.Series("a", cells))
    assert column.dtype == dtype
    assert column.to_list() == values


def test_times_are_read_and_offsets_brought_to_utc():
    texts = [
        "2024-01-31",
        "2024-01-31T10:20",
        "2024/01/31 10:20:30.5",
        "2024-01-31T10:00:00Z",
        "2024-01-31 10:00+02:00",
    ]
    assert dates_of(pl.Series(texts)).to_list() == [
        datetime.datetime(2024, 1, 31),
        datetime.datetime(2024, 1, 31, 10, 20),
        datetime.datetime(2024, 1, 31, 10, 20, 30, 500_000),
        datetime.datetime(2024, 1, 31, 10),
        datetime.datetime(2024, 1, 31, 8),
    ]


def test_house_numbers_and_status_codes_stay_text():
    houses = pl.Series([f"{number}{'ABC'[number % 3] if number % 15 == 0 else ''}" for number in range(300)])
    codes = pl.Series(["1", "2", "3"] * 60 + ["A"])
    postcodes = pl.Series([f"{number:05}" for number in range(300)] + ["AB123"])
    assert find_stray(houses) is None
    assert find_stray(codes) is None
    assert find_stray(postcodes) is None


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,x\n2,y\n",
        "a,b\r\n1,x\r\n2,y\r\n",
        "a,b\r1,x\r2,y\r",
        "\ufeffa,b\n1,x\n2,y",
        "a;b\n1;x\n2;y\n",
        "a\tb\n1\tx\n2\ty\n",
        "a|b\n1|x\n2|y\n",
        '"a","b"\n"1","x"\n"2","y"\n',
        "\n\na,b\n\n1,x\n \n2,y\n\n\n",
        " a , b\n 1, x\n 2 ,y \n",
        'a, "b"\n1, "x"\n2, "y"\n',
    ],
)
def test_the_same_table_written_in_many_ways(read, text):
    assert read(text).equals(pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}))


def test_quotes_within_fields(read):
    frame = read('a,b\n1,"x,""y""\nz"\n2,"p;q"\n')
    assert frame["b"].to_list() == ['x,"y"\nz', "p;q"]


@pytest.mark.parametrize("pipes", ['a,b\n1,5" pipe\n2,6" pipe\n', 'a,b\n1,5"\n2,6"\n'])
def test_inch_marks_in_plain_fields_are_text(read, pipes):
    assert read(pipes)["a"].to_list() == [1, 2]
    assert read(pipes)["b"][0].startswith('5"')


def test_columns_can_be_left_as_texts(tmp_path):
    (tmp_path / "t.csv").write_text(f"age,b\n{AGES}abc, 1\n")
    frame = read_table(tmp_path / "t.csv", as_text=["age", "gone"].__contains__)
    assert frame["age"].to_list()[-2:] == ["199", "abc"]
    assert frame["b"].to_list()[-1] == "1"


def test_row_numbers_without_a_name_are_called_column_1(read):
    assert read(",b\n1,2\n").columns == ["column_1", "b"]


def test_decimal_commas_under_semicolons_only(read):
    assert read("a;b\n1,5;x\n-2;y\n")["a"].to_list() == [1.5, -2.0]
    assert read("a\tb\n1,5\tx\n-2\ty\n")["a"].to_list() == ["1,5", "-2"]


def test_one_column_without_any_delimiter(read):
    assert read("a\n1\n\n3\n").equals(pl.DataFrame({"a": [1, 3]}))


def test_delimiters_in_names_and_values_do_not_mislead(read):
    frame = read('"a;1";b;c\n"x;y";"1,2";3\n"z";"4,5";6\n')
    assert frame.columns == ["a;1", "b", "c"]
    assert frame.rows() == [("x;y", 1.2, 3), ("z", 4.5, 6)]


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_the_delimiter_is_sniffed(delimiter):
    lines = [["name", "text", "n"], ["x", "a, b; c | d\te", "1"], ["y", "none of it", "2"]]
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(lines)
    assert sniff_delimiter(file.getvalue().encode()) == delimiter


cell = st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from('",;\n|\t'), max_size=8)


@st.composite
def text_tables(draw):
    width = draw(st.integers(2, 4))
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=8))
    return [[f"c{at}" for at in range(width)], *rows]


@given(text_tables(), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.sampled_from(["\n", "\r\n"]))
def test_any_text_comes_back_as_it_was_written(rows, quoting, end):
    file = io.StringIO()
    csv.writer(file, quoting=quoting, lineterminator=end).writerows(rows)
    frame, delimiter = read_delimited(file.getvalue().encode(), "t.csv")
    assert delimiter == ","
    found = [[value or "" for value in row] for row in frame.rows()]
    wanted = rows[1:]
    if quoting == csv.QUOTE_MINIMAL:  # blanks before an unquoted field may or may not be kept: typing drops them
        found, wanted = ([[value.lstrip(" ") for value in row] for row in side] for side in (found, wanted))
    assert found == wanted


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(data)
    try:
        frame = read_table(path)
    except TableError:
        return
    assert frame.height > 0
    assert frame.width > 0


@given(st.text(st.sampled_from('a1,;"\n\r .-'), max_size=40))
def test_any_punctuation_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "punctuation.csv"
    path.write_text(text, newline="")
    try:
        frame = read_table(path)
    except TableError:
        return
    assert len(set(frame.columns)) == frame.width


@given(st.lists(st.floats(allow_nan=False) | st.none(), min_size=1, max_size=20))
def test_floats_survive_a_csv_file_bit_for_bit(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "floats.csv"
    frame = pl.DataFrame({"a": values, "b": [0.5] * len(values)}, schema={"a": pl.Float64, "b": pl.Float64})
    write_predictions(frame, path)
    assert read_table(path)["a"].cast(pl.Float64).to_list() == values


def test_many_rows_that_need_reading_line_by_line(read):
    lines = "".join(f"{row},x\n" for row in range(250_000))
    frame = read(f"a,b\n\n{lines}")
    assert frame["a"].to_list() == list(range(250_000))


def test_the_place_of_a_row(tmp_path):
    text = 'a;b\n1;"two\nlines"\n\n3;c\n'
    (tmp_path / "t.csv").write_text(text)
    assert place_of_row(tmp_path / "t.csv", 0) == "line 2 of t.csv"
    assert place_of_row(tmp_path / "t.csv", 1) == "line 5 of t.csv"
    frame = read_table(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.arrow")
    for name in ("t.parquet", "t.arrow"):
        assert place_of_row(tmp_path / name, 1) == f"row 1 (the first is 0) of {name}"
