"""From rows of numbers and anything that gives outputs for them to a question."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pondera.choice import counted, listed, unknown
from pondera.errors import ArgumentError
from pondera.explaining.adapters import is_decided, of_estimator, of_torch
from pondera.explaining.asking import outputs_of
from pondera.explaining.coded import Coded
from pondera.explaining.question import Input, Question, some_of
from pondera.explaining.scoring import best_constant, brier, class_score, error_of, place_of, wrong
from pondera.explaining.subject import Subject
from pondera.network.network import Network

Array = np.ndarray[Any, Any]

LARGEST = 1e100
"""What a right answer may be: errors are squared, and their squares compared."""

LOSSES = ("squared_error", "binary_cross_entropy", "softmax_cross_entropy", "poisson")
"""What outputs of networks, modules and functions can be judged by."""


def subjects_of(what: Any, dtype: str = "float32") -> tuple[Subject, ...]:
    """Return anything that gives outputs for rows as what is explained.

    Parameters
    ----------
    what
        As of :func:`explain`.
    dtype
        What functions of JAX are given.

    Raises
    ------
    ArgumentError
        If it gives none.
    """
    if isinstance(what, Subject):
        return (what,)
    if isinstance(what, Network):
        return (Subject.of_network(what),)
    if isinstance(what, Sequence) and what and not isinstance(what, str):
        return tuple(subject for each in what for subject in subjects_of(each, dtype))
    if any(kind.__module__.split(".")[0] == "torch" for kind in type(what).__mro__):
        return (of_torch(what),)
    if hasattr(what, "predict"):
        return (of_estimator(what),)
    if callable(what):
        function: Callable[[Any], Any] = what
        return (Subject.of_function(lambda weights, x: _columns(function(x), len(x)), (), dtype),)
    raise ArgumentError(
        "Expected a model, networks, a PyTorch module, a fitted estimator or a function of JAX to explain. "
        f"Got {type(what).__name__}."
    )


def _columns(found: Any, rows: int) -> Any:
    """Return outputs as (rows, outputs).

    Raises
    ------
    ArgumentError
        If they are no numbers, one a row or several.
    """
    shape = getattr(found, "shape", None)
    if shape is None or not 1 <= len(shape) <= 2 or shape[0] != rows or found.dtype.kind == "c":
        got = type(found).__name__ if shape is None else f"an array of {found.dtype}, {shape}"
        raise ArgumentError(
            f"Expected a function of JAX from (rows, inputs) to (rows, outputs) or (rows,). Given {rows} rows, it "
            f"returned {got}. Have it return an array with a number, or several, for each row."
        )
    return found.reshape(rows, -1)


def question_of_arrays(
    what: Any,
    x: Any,
    y: Any = None,
    *,
    names: Sequence[str] | None = None,
    output: int | None = None,
    target_class: Any = None,
    loss: str | None = None,
    baseline: str = "mean",
    seed: int = 0,
) -> Question:
    """Return the question how much each input matters to what gives outputs for rows of numbers.

    Parameters and errors are those of :func:`pondera.explain`.
    """
    members = _members(what)
    made = next((each.__name__ for each in members if isinstance(each, type)), None)
    if made is not None:
        raise ArgumentError(f"Expected something to explain. Got the class {made} itself. Make one, and fit it first.")
    classes = _classes_of(members)
    if any(_takes_columns(each, x) for each in members):
        coded = Coded.of(x, None if names is None else list(names))
        rows, inputs, table = coded.x, coded.inputs, coded.table
        for column in inputs:
            _require_finite(f"Column '{column.name}'", rows[:, column.places])
        subjects = tuple(
            dataclasses.replace(each, outputs=lambda x, each=each: each.outputs(coded.decoded(x)))  # type: ignore[misc]
            for each in subjects_of(what)
        )
    else:
        rows, table = _numbers(x), None
        inputs = _named(names, x, rows.shape[1])
        subjects = subjects_of(what, "float64" if rows.dtype == np.float64 else "float32")
    every = outputs_of(what, subjects, rows, [each.name for each in inputs], hasattr(x, "columns"))
    outputs = every[0]
    width = outputs.shape[1]
    for each in every:
        _require_finite("The outputs", each)
    if classes and loss is not None:
        raise ArgumentError("What a classifier's error is follows from its kind. Leave out loss.")
    if classes:
        loss = "binary_cross_entropy" if width == 1 else "softmax_cross_entropy"
    if target_class is not None and (not classes or output is not None):
        raise ArgumentError(
            "target_class names a class of a classifier; of anything else output says which one is explained. "
            "Give one of both."
        )
    output = _place(output, len(classes) or width)
    answers = None if y is None else _answers(y, classes, loss, len(rows), width)
    _require_width(loss, width, y is not None and output is None)
    question = Question.of_arrays(
        subjects,
        rows,
        answers,
        background=rows[some_of(len(rows), seed)],
        output=0 if classes else output or 0,
        baseline=baseline,
    )
    question = dataclasses.replace(question, inputs=inputs, table=table)
    if loss in (None, "squared_error"):
        return dataclasses.replace(question, loss="squared_error") if width == 1 else question
    towards = output if target_class is None else place_of(target_class, classes)
    if classes and is_decided(members[0]):
        return _of_decisions(question, every, classes, towards)
    return _of_logits(question, every, str(loss), classes, towards)


def _members(what: Any) -> tuple[Any, ...]:
    """Return each of several things, or the only one."""
    return tuple(what) if isinstance(what, Sequence) and not isinstance(what, str) else (what,)


def _classes_of(members: Sequence[Any]) -> list[Any]:
    """Return the classes that all of them predict; none where they are no classifiers.

    Raises
    ------
    ArgumentError
        If they predict different ones, or not all of them as probabilities.
    """
    every = [list(getattr(each, "classes_", [])) if hasattr(each, "predict") else [] for each in members]
    said = [_said(each, classes) for each, classes in zip(members, every, strict=True)]
    other = next((each for each in said if each != said[0]), None)
    if other is not None:
        raise ArgumentError(
            f"Expected models that all give the same. Got {said[0]}; and {other}. Explain each by itself."
        )
    return every[0] if every else []


def _said(member: Any, classes: list[Any]) -> str:
    """Return what something gives, in words."""
    if not classes:
        return "numbers"
    return f"{'decision values' if is_decided(member) else 'probabilities'} of {listed([*map(str, classes)])}"


def _place(output: int | None, count: int) -> int | None:
    """Return which output is meant, from 0; a negative number counts from the last."""
    if output is None or -count <= output < count:
        return None if output is None else output % count
    raise ArgumentError(f"Outputs are numbered from 0 to {count - 1}. Got {output}.")


def _require_width(loss: str | None, width: int, answered: bool) -> None:
    """Refuse a loss of one output where there are several, and answers where it is not said of which output."""
    if loss in ("binary_cross_entropy", "poisson") and width > 1:
        more = ", or softmax_cross_entropy of classes" if loss == "binary_cross_entropy" else ""
        raise ArgumentError(
            f"{loss} is the loss of one output. Got {width}. Give something with the one that y is of{more}."
        )
    if loss in (None, "squared_error") and width > 1 and answered:
        raise ArgumentError(
            f"y is of one of {width} outputs, or of all. Give output, which one; or of classes loss, of all of them: "
            "softmax_cross_entropy."
        )


def _takes_columns(what: Any, x: Any) -> bool:
    """Whether rows are more than numbers, and are given to an estimator that was fitted on such.

    So it is where they are a data frame whose names the estimator knows or whose columns are not all numbers, and where
    values are missing.
    """
    if not hasattr(what, "predict") or isinstance(what, Network):
        return False
    rows = _array(x)
    if rows.ndim != 2 or not len(rows):
        return False
    numeric = rows.dtype.kind in "fiub"
    named = hasattr(x, "columns") and hasattr(what, "feature_names_in_")
    return named or not numeric or bool(rows.dtype.kind == "f" and np.isnan(rows).any())


def _numbers(x: Any) -> Array:
    rows = _array(x)
    if rows.ndim != 2 or not len(rows) or rows.dtype.kind not in "fiub":
        raise ArgumentError(f"Expected rows of numbers, (rows, inputs). Got {rows.dtype} of shape {rows.shape}.")
    rows = rows if rows.dtype.kind == "f" else rows.astype(np.float64)
    _require_finite("x", rows)
    return rows


def _array(x: Any) -> Array:
    try:
        return np.asarray(x)
    except ValueError:
        raise ArgumentError(
            "Expected rows of numbers, (rows, inputs). Got rows of different lengths. Give each a value an input."
        ) from None


def _named(names: Sequence[str] | None, x: Any, width: int) -> tuple[Input, ...]:
    """Return an input a column, called by the names that are given, those of a data frame, or x0, x1 and so on."""
    called = list(names) if names is not None else list(getattr(x, "columns", [])) or [f"x{k}" for k in range(width)]
    if len(called) != width:
        raise ArgumentError(f"Expected {width} names, one an input. Got {len(called)}.")
    twice = next((name for name, count in Counter(map(str, called)).items() if count > 1), None)
    if twice is not None:
        raise ArgumentError(f"Names of inputs must differ. {twice!r} is there more than once.")
    return tuple(Input(str(name), place, place + 1) for place, name in enumerate(called))


def _of_logits(
    question: Question, outputs: list[Array], loss: str, classes: list[Any], towards: int | None
) -> Question:
    """Return the question with outputs that are logits, or logarithms of rates: its score and its error."""
    if loss not in LOSSES:
        raise ArgumentError(unknown("loss", loss, LOSSES))
    width = outputs[0].shape[1]
    if loss == "poisson":
        return _judged(dataclasses.replace(question, unit="logarithm of the rate"), loss, width)
    names = [str(each) for each in classes] or [str(each) for each in range(max(width, 2))]
    if loss == "binary_cross_entropy" and not classes:
        towards = None  # of the one output that there is: of 1
    directions, unit = class_score(outputs, names, "class", towards)
    called = tuple(str(each) for each in classes) or None
    question = dataclasses.replace(question, directions=directions, unit=unit, classes=called)
    if not classes:
        return _judged(question, loss, width)
    # Other libraries' classifiers give probabilities, which may be 0: their cross-entropy is what it is clipped to.
    reference = None
    if question.answers is not None:
        shares = np.bincount(question.answers.astype(np.int64)) / len(question.x)
        reference = float(1 - shares @ shares)
    return dataclasses.replace(question, error=brier, loss=None, measure="Brier score", reference=reference)


def _of_decisions(question: Question, outputs: list[Array], classes: list[Any], towards: int | None) -> Question:
    """Return the question with outputs that are decision values: their error is how often they are wrong."""
    names = [str(each) for each in classes]
    directions, unit = class_score(outputs, names, "class", towards, "decision value")
    reference = None
    if question.answers is not None:
        reference = 1 - float(np.bincount(question.answers.astype(np.int64)).max()) / len(question.answers)
    return dataclasses.replace(
        question,
        directions=directions,
        unit=unit,
        classes=tuple(names),
        error=wrong,
        loss=None,
        measure="share of wrong answers",
        reference=reference,
    )


def _judged(question: Question, loss: str, width: int) -> Question:
    """Return the question with a loss as its error, and the error of the best constant."""
    return dataclasses.replace(
        question,
        error=functools.partial(error_of, loss),
        loss=loss,
        reference=None if question.answers is None else best_constant(loss, question.answers, width),
    )


def _answers(y: Any, classes: list[Any], loss: str | None, rows: int, outputs: int) -> Array:
    """Return right answers as the error takes them: numbers, 0 and 1, or class numbers."""
    given = np.asarray(y)
    if given.ndim == 2 and given.shape[1] > 1 and len(given) == rows:
        raise ArgumentError(
            f"Expected {rows} right answers, one a row. Got {given.shape[1]} of each. "
            "Give output, which one is explained, and the answers of that one: y[:, output]."
        )
    found = given.reshape(-1)
    if len(found) != rows:
        raise ArgumentError(f"Expected {rows} right answers, one a row. Got {len(found)}.")
    if classes:
        places = {each: place for place, each in enumerate(classes)}
        strange = next((each for each in found.tolist() if each not in places), None)
        if strange is not None:
            raise ArgumentError(
                f"The answer {strange!r} is none of the classifier's classes: {listed([*map(str, classes)])}."
            )
        found = np.array([places[each] for each in found.tolist()])
    if found.dtype.kind not in "fiub":
        raise ArgumentError(
            f"Expected numbers as right answers. Got {found.dtype}, such as {found.tolist()[0]!r}. "
            "Give classes their numbers, or explain a classifier, which knows its classes."
        )
    _require_finite("y", found)
    largest = float(np.abs(found).max())
    if largest > LARGEST:
        raise ArgumentError(
            f"Expected right answers of at most {LARGEST:g}, whose squares can be added up. "
            f"Got {largest:.3g}. Give them in a larger unit."
        )
    if loss == "softmax_cross_entropy":
        if (found != found.astype(int)).any() or not 0 <= found.min() <= found.max() < outputs:
            raise ArgumentError(f"Expected class numbers from 0 to {outputs - 1} as right answers.")
        return found.astype(np.int64)
    if loss == "binary_cross_entropy" and not 0 <= found.min() <= found.max() <= 1:
        raise ArgumentError("Expected 0 and 1 as right answers of a binary cross-entropy.")
    if loss == "poisson" and found.min() < 0:
        raise ArgumentError("Expected counts of at least 0 as right answers of a Poisson loss.")
    return found.astype(np.float64)


def _require_finite(what: str, values: Array) -> None:
    broken = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if broken.any():
        raise ArgumentError(
            f"{what}: expected finite numbers; {counted(int(broken.sum()), 'row')} of {len(values):,} are not, the "
            f"first of them row {int(np.flatnonzero(broken)[0])}. Leave these rows out, or fill them in first."
        )
