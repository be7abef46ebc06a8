"""Rows and columns -> arrays, and predictions back.

:func:`read_table` and :func:`as_frame` bring any table to a Polars data frame. :class:`Encoding` turns its columns into
the inputs of a network and :class:`Scaling` puts them on one scale, both from figures of training rows only, once
:func:`check_columns` has seen the whole table.
:func:`decide_task`, :class:`Classes` and :class:`TargetScaling` do the same for the target, :func:`split` holds rows
out, :func:`distinct_rows` merges rows that are the same, and :func:`write_predictions` writes what came out.
"""

from pondera.tables.columns import MAX_CATEGORIES, Column, infer_kind
from pondera.tables.encode import EncodedInput, Encoding, Unseen, check_columns
from pondera.tables.examples import EXAMPLES, load_example
from pondera.tables.figures import checked_weights
from pondera.tables.frame import as_frame
from pondera.tables.read import place_of_row, read_table
from pondera.tables.scale import SCALINGS, Scaling
from pondera.tables.split import distinct_rows, split
from pondera.tables.target import Classes, TargetScaling, decide_task, regression_values, require_complete
from pondera.tables.values import MISSING
from pondera.tables.write import write_predictions

__all__ = [
    "EXAMPLES",
    "MAX_CATEGORIES",
    "MISSING",
    "SCALINGS",
    "Classes",
    "Column",
    "EncodedInput",
    "Encoding",
    "Scaling",
    "TargetScaling",
    "Unseen",
    "as_frame",
    "check_columns",
    "checked_weights",
    "decide_task",
    "distinct_rows",
    "infer_kind",
    "load_example",
    "place_of_row",
    "read_table",
    "regression_values",
    "require_complete",
    "split",
    "write_predictions",
]
