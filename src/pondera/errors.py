"""Every error that a user can cause.

::

    PonderaError
    ├── ArgumentError        an argument has a value that cannot be used
    ├── TableError           a table cannot be read, or does not fit
    ├── ShapeError           arrays and layers do not fit together
    ├── ModelFileError       a model file is damaged, truncated, newer, or of some other kind
    └── RunError             the folder of a run is missing, damaged, newer, or in use

A message is one sentence or a few: what was expected, what was found, what to do. The classes for wrong values
are also :class:`ValueError`, which is what scikit-learn and most callers catch. What is worth knowing but stops nothing
is a :class:`PonderaWarning`.
"""


class PonderaError(Exception):
    """Base of every error that Pondera raises on purpose."""


class ArgumentError(PonderaError, ValueError):
    """An argument has a value that cannot be used."""


class TableError(PonderaError, ValueError):
    """A table cannot be read, or its columns do not fit what was asked of them."""


class ShapeError(PonderaError, ValueError):
    """Arrays and layers do not fit together; the message names the layer and both shapes."""


class ModelFileError(PonderaError, ValueError):
    """A model file is damaged, truncated, of a later version, or of some other kind."""


class RunError(PonderaError, ValueError):
    """The folder of a run is missing, damaged, of a later version, or written to by another process."""


class PonderaWarning(UserWarning):
    """Something worth knowing that stopped nothing: values never seen in training, a training that ended early."""
