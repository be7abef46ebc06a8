"""What ``pondera train`` is asked for: the options that decide what is trained, and the rows they name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pondera.commands.options import check_options, whole_numbers
from pondera.commands.options import names as names_of
from pondera.errors import ArgumentError
from pondera.recording.settings import TEST_FRACTION

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from pondera.model.model import Model


@dataclass(frozen=True)
class Asked:
    """The options of ``pondera train`` that decide what is trained: a run keeps them, and is resumed from them."""

    table: Path | None = None
    example: str | None = None
    target: str | None = None
    test: Path | None = None
    test_fraction: float | None = None
    task: str | None = None
    recipe: str = "strong"
    hidden: str | None = None
    activation: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    seeds: int = 1
    seed: int = 0
    drop: str | None = None
    categorical: str | None = None

    def __post_init__(self) -> None:
        from pondera.constraints import whole
        from pondera.estimators.base import PARAMETERS

        checked = ("recipe", "activation", "epochs", "batch_size", "learning_rate", "seeds", "seed")
        check_options({name: getattr(self, name) for name in checked}, {**PARAMETERS, "seed": (whole(0),)})
        whole_numbers(self.hidden, "--hidden")
        if self.test is not None and self.test_fraction is not None:
            raise ArgumentError("Give one of both: --test TABLE, or --test-fraction.")

    def to_json(self) -> dict[str, Any]:
        """Return the options as plain values; paths become absolute."""
        values = dataclasses.asdict(self)
        return values | {name: str(values[name].absolute()) for name in ("table", "test") if values[name] is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Asked:
        """Return what :meth:`to_json` described."""
        paths = {name: Path(values[name]) for name in ("table", "test") if values.get(name) is not None}
        return cls(**{**values, **paths})

    @property
    def given(self) -> list[str]:
        """The names of the options that are not what they are by default."""
        return [each.name for each in dataclasses.fields(self) if getattr(self, each.name) != each.default]

    def estimator(self, task: str) -> Any:
        """Return the estimator that is trained."""
        from pondera.estimators.classifier import PonderaClassifier
        from pondera.estimators.regressor import PonderaRegressor

        kind = PonderaClassifier if task == "classification" else PonderaRegressor
        return kind(
            recipe=self.recipe,
            hidden_layer_sizes=whole_numbers(self.hidden, "--hidden"),
            activation=self.activation,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seeds=self.seeds,
            random_state=self.seed,
        )

    def rows(self) -> Rows:
        """Read the tables.

        Raises
        ------
        TableError, ArgumentError
            If they cannot be read, or nothing can be learned from them.
        """
        as_text = [*names_of(self.drop), *names_of(self.categorical)]
        frame, column, source = _table(self.table, self.example, self.target, as_text)
        frame = _without(frame, self.drop, column, source)
        frame = _as_categories(frame, names_of(self.categorical), column, source)
        task = _checked(frame, column, _task(self.task), self.table)
        if self.test is not None:
            test = _test_table(self.test, self.table, frame, column, task)
            return Rows(frame, test, _all(frame), column, task, source)
        fraction = TEST_FRACTION if self.test_fraction is None else self.test_fraction
        return Rows(*_parts(frame, fraction, column, task, self.seed), column, task, source)


@dataclass(frozen=True)
class Rows:
    """Tables to train and to test on.

    Attributes
    ----------
    train, test
        With all columns; None where nothing is tested.
    numbers
        (rows,) which row of the table each of ``train`` is, from 0.
    column, task
        What is predicted, and whether that is classification or regression.
    source
        What the table is called.
    """

    train: pl.DataFrame
    test: pl.DataFrame | None
    numbers: NDArray[np.int64]
    column: str
    task: Any
    source: str

    @property
    def columns(self) -> pl.DataFrame:
        """What is predicted from, of the rows that are trained on."""
        return all_but(self.train, [self.column])


def _table(
    table: Path | None, example: str | None, target: str | None, as_text: list[str]
) -> tuple[pl.DataFrame, str, str]:
    """Return the rows, the name of the target, and what they are called."""
    from pondera.choice import listed
    from pondera.tables.examples import load_example
    from pondera.tables.read import read_table

    one_table(table, example)
    if example is not None:
        frame, column, _ = load_example(example)
        return frame, _known(target or column, frame.columns, "--target", example), example
    assert table is not None
    frame = read_table(table, as_text=as_text.__contains__)  # what is left out need not make sense
    if target is None:
        raise ArgumentError(f"Which column is to be predicted? Give --target with one of: {listed(frame.columns)}.")
    return frame, _known(target, frame.columns, "--target", str(table)), str(table)


def _known(name: str, columns: list[str], option: str, source: str) -> str:
    from pondera.choice import unknown

    if name not in columns:
        raise ArgumentError(f"{option}: {unknown(f'column of {source}:', name, columns)}")
    return name


def _without(frame: pl.DataFrame, drop: str | None, column: str, source: str) -> pl.DataFrame:

    dropped = [_known(name, frame.columns, "--drop", source) for name in names_of(drop)]
    if column in dropped:
        raise ArgumentError(f"--drop leaves out the column {column!r}, which --target asks to predict. Name another.")
    if frame.width == 1:
        raise ArgumentError(f"{source} has the column {column!r} only: expected others to predict it from.")
    if len(set(dropped)) == frame.width - 1:
        raise ArgumentError(f"Nothing is left to predict {column!r} from. Drop fewer columns.")
    return all_but(frame, dropped)


def _as_categories(frame: pl.DataFrame, names: list[str], column: str, source: str) -> pl.DataFrame:
    """Return the table with some columns as texts, so that each different value is a category."""
    import polars as pl

    for name in names:
        _known(name, frame.columns, "--categorical", source)
        if name == column:
            raise ArgumentError(f"--categorical names the target {name!r}. Use --task classification instead.")
        if frame[name].dtype.is_nested() or frame[name].dtype in (pl.Duration, pl.Binary, pl.Object):
            raise ArgumentError(f"--categorical names {name!r} of type {frame[name].dtype}: expected texts or numbers.")
    return pl.DataFrame([series.cast(pl.String) if series.name in names else series for series in frame])


def all_but(frame: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Return the other columns; ``DataFrame.drop`` would take a name such as ``*`` for a pattern."""
    return frame[:, [at for at, name in enumerate(frame.columns) if name not in names]]


def _task(task: str | None) -> Any:
    from pondera.choice import unknown

    if task not in (None, "classification", "regression"):
        raise ArgumentError(unknown("task", task, ("classification", "regression")))
    return task


def _checked(frame: pl.DataFrame, column: str, task: Any, table: Path | None) -> Any:
    """Return the task, once it is sure that the table can be learned from; later only parts of it are looked at."""
    from pondera.tables.encode import check_columns
    from pondera.tables.parts import row_number
    from pondera.tables.read import place_of_row
    from pondera.tables.target import Classes, decide_task, regression_values

    where = row_number if table is None else partial(place_of_row, table)
    target = frame[column]
    check_columns(all_but(frame, [column]), where)
    if target.dtype.is_float():
        check_columns(target.to_frame(), where)
    decided = task or decide_task(target)
    if decided == "classification":
        Classes.fit(target, where)
    else:
        regression_values(target, where)
    return decided


def _test_table(test: Path, table: Path | None, frame: pl.DataFrame, column: str, task: str) -> pl.DataFrame:
    """Return the rows of ``--test``, sure to fit the columns and the target of the table that is trained on."""
    from pondera.errors import TableError
    from pondera.tables.encode import Encoding
    from pondera.tables.read import place_of_row, read_table
    from pondera.tables.target import Classes, regression_values

    if table is not None and test.exists() and test.samefile(table):
        raise ArgumentError(f"--test {test} is the table that is trained on: expected rows the network never saw.")
    encoding = Encoding.fit(all_but(frame, [column]))
    rows = read_table(
        test, as_text=lambda name: encoding.takes_text(name) and (name != column or task == "classification")
    )
    for name in frame.columns:
        _known(name, rows.columns, "--test", str(test))
    where = partial(place_of_row, test)
    try:
        encoding.transform(rows, where)
        if task == "classification":
            Classes.fit(frame[column]).encode(rows[column], where)
        else:
            regression_values(rows[column], where)
    except TableError as error:
        raise TableError(f"--test {test}: {error}") from error
    return rows


def _parts(
    frame: pl.DataFrame, fraction: float, column: str, task: str, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame | None, NDArray[np.int64]]:
    """Return the rows to train on, the rows to test on, if there are any, and the numbers of the former."""
    from pondera.tables.split import split

    if fraction == 0:
        return frame, None, _all(frame)
    if not 0 < fraction < 1:
        raise ArgumentError(f"--test-fraction takes a number of at least 0 and below 1. Got {fraction:g}.")
    labels = frame[column].cast(str).to_numpy() if task == "classification" else None
    train_rows, test_rows = split(frame.height, fraction, seed, labels)
    return frame[train_rows], frame[test_rows], train_rows


def _all(frame: pl.DataFrame) -> NDArray[np.int64]:
    import numpy as np

    return np.arange(frame.height, dtype=np.int64)


def one_table(table: Path | None, example: str | None) -> None:
    """Raise unless there is a table or the name of an example, and not both."""
    if (table is None) == (example is None):
        raise ArgumentError("Give one of both: a TABLE, or --example NAME such as breast_cancer.")


def rows_of_model(model: Model, table: Path | None, example: str | None) -> pl.DataFrame:
    """Return a table with a model's columns as the model takes them.

    Raises
    ------
    ArgumentError, TableError
        If there is none, or it cannot be read.
    """
    from pondera.tables.examples import load_example
    from pondera.tables.read import read_table
    from pondera.tables.target import Classes

    one_table(table, example)
    if table is None:
        return load_example(str(example))[0]
    target, words = model.target_name, isinstance(model.target, Classes)
    return read_table(table, as_text=lambda name: words if name == target else model.encoding.takes_text(name))


def answers_of(model: Model, frame: pl.DataFrame) -> Any:
    """Return the right answers of rows as the model's loss takes them, (rows,).

    Raises
    ------
    ArgumentError, TableError
        If the column is not there, or holds what the model does not know.
    """
    from pondera.tables.target import Classes, regression_values, require_complete

    if model.target_name not in frame.columns:
        raise ArgumentError(f"Expected the column {model.target_name!r}, which holds the right answers; found none.")
    target = frame[model.target_name]
    require_complete(target)
    if isinstance(model.target, Classes):
        return model.target.encode(target)
    return model.target.standardize(regression_values(target))
