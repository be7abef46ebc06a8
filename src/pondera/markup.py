"""Values -> HTML: every text escaped, nothing fetched, nothing that runs."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from pondera.choice import printable, visible

LONGEST = 160
"""Letters of a name that are shown."""

STYLE = (
    "table.pondera{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "table.pondera th{text-align:right;font-weight:600;padding:.2em .8em;border-bottom:1px solid #bbb}"
    "table.pondera td{text-align:right;padding:.15em .8em;white-space:nowrap}"
    "table.pondera th:first-child,table.pondera td:first-child{text-align:left;white-space:normal;"
    "overflow-wrap:anywhere;min-width:14em}"
)
"""How a table looks, for whoever shows one by itself."""


def escaped(text: object) -> str:
    """Return a text as HTML shows it, letter by letter; letters that cannot be shown are written out.

    Examples
    --------
    >>> escaped("<b> & co")
    '&lt;b&gt; &amp; co'
    """
    return html.escape(printable(str(text)), quote=True)


def path(name: object) -> str:
    """Return the name of a tensor or layer as HTML that may be broken after its dots and slashes.

    A blank one is quoted; a very long one loses its middle, and shows the whole when it is pointed at.

    Examples
    --------
    >>> path("encoder.0/weight")
    'encoder.<wbr>0/<wbr>weight'
    """
    whole = visible(str(name))
    if len(whole) > LONGEST:
        return f'<span title="{escaped(whole)}">{path(f"{whole[: LONGEST // 2]}…{whole[-LONGEST // 3 :]}")}</span>'
    return "<wbr>".join(escaped(part) for part in re.split(r"(?<=[./:])(?=.)", whole))


def table(headings: Sequence[object], rows: Iterable[Sequence[object]], caption: str = "", paths: bool = False) -> str:
    """Return a table: the first column left, the others right; with ``paths`` the first holds names of tensors.

    Examples
    --------
    >>> table(["name", "count"], [["a<b", 3]])
    '<table class="pondera"><thead><tr><th>name</th><th>count</th></tr></thead><tbody><tr><td>a&lt;b</td><td>3</td></tr></tbody></table>'
    """  # noqa: E501
    head = "".join(f"<th>{escaped(each)}</th>" for each in headings)
    first = path if paths else escaped
    body = "".join(
        "<tr>" + "".join(f"<td>{(escaped if at else first)(each)}</td>" for at, each in enumerate(row)) + "</tr>"
        for row in rows
    )
    named = f"<caption>{escaped(caption)}</caption>" if caption else ""
    return f'<table class="pondera">{named}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
