"""Reading lists out of options."""

from __future__ import annotations

from pondera.errors import ArgumentError


def numbers(text: str, option: str) -> list[float]:
    """Return the numbers of a comma-separated list.

    Raises
    ------
    ArgumentError
        Naming the option and what in it is not a number.
    """
    found = []
    for part in text.split(","):
        try:
            found.append(float(part))
        except ValueError:
            raise ArgumentError(f"{option} takes numbers separated by commas, such as 5,2. Got {part!r}.") from None
    return found


def whole_numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    """Return the whole numbers of a comma-separated list, or None where there is none.

    Raises
    ------
    ArgumentError
        Naming the option and what in it is not a whole number of at least 1.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise ArgumentError(
            f"{option} takes whole numbers from 1 up, separated by commas, such as 128,128. Got {text!r}."
        )
    return tuple(int(part) for part in parts)


def names(text: str | None) -> list[str]:
    """Return the names of a comma-separated list."""
    return [] if text is None else [part.strip() for part in text.split(",") if part.strip()]
