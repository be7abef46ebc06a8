"""A training and what became of it with what was advised, for the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.recording.health.changes import flags
from pondera.recording.health.check import Health
from pondera.recording.overview import Overview
from pondera.report.health import show_health
from pondera.report.runs import show_runs
from pondera.report.terminal import QUIET, score
from pondera.report.training import HEADINGS


@dataclass(frozen=True)
class Fixed:
    """A training, and the same with what its findings advise.

    Attributes
    ----------
    before, after
        What is wrong with each; the latter None where nothing was changed, and nothing trained.
    changes
        What was changed, by setting, as options of ``pondera train`` take it.
    left
        What is advised as well and is no option of ``pondera train``.
    curves
        The runs as ``pondera runs`` shows them.
    scores
        How each predicts the rows it never saw, by name; empty where there are no such rows.
    """

    before: Health
    after: Health | None
    changes: dict[str, Any]
    left: dict[str, Any]
    curves: tuple[Overview, ...]
    scores: tuple[dict[str, float | None], ...]

    @property
    def worse(self) -> bool | None:
        """Whether it predicts the test rows less well than before, by the first of the scores; None where not known."""
        if len(self.scores) < 2:
            return None
        name = next(iter(self.scores[1]), "")
        before, after = (each.get(name) for each in self.scores)
        if before is None or after is None:
            return None
        return after < before if HEADINGS.get(name, name).endswith("↑") else after > before

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        known = [
            {"health": health.to_json(), "losses": list(curve.losses), "metrics": scores or None}
            for health, curve, scores in zip((self.before, self.after), self.curves, self.scores, strict=False)
            if health is not None
        ]
        before, after = [*known, None][:2]
        return {
            "changes": self.changes,
            "not_options": self.left,
            "worse": self.worse,
            "before": before,
            "after": after,
        }


def show_fixed(console: Console, fixed: Fixed) -> None:
    """Print what was wrong, what was changed, both curves and scores, and what is wrong now."""
    show_health(console, fixed.before)
    console.print()
    if fixed.left:
        others = ", ".join(f"{name}={value!r}" for name, value in fixed.left.items())
        console.print(Text(f"No options of pondera train, and left as they are: {others}.", style=QUIET))
    if fixed.after is None:
        console.print(Text("It was not trained again: no other setting of the training is advised."))
        if fixed.before.findings:
            console.print(Text("What concerns the rows, such as a column to leave out, is for you to decide."))
        return
    console.print(Text.assemble("Trained again with ", (flags(fixed.changes), "bold")))
    console.print()
    show_runs(console, fixed.curves)
    before, after = fixed.scores
    if before and after:
        console.print()
        console.print(_scores(before, after))
    if fixed.worse:
        console.print(Text("It predicts the test rows less well than before: the first training is the better one."))
    console.print()
    show_health(console, fixed.after)


def _scores(before: dict[str, float | None], after: dict[str, float | None]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("on the test rows")
    for name in after:
        table.add_column(HEADINGS.get(name, name), justify="right")
    for called, each in (("before", before), ("after", after)):
        table.add_row(called, *(score(each.get(name)) for name in after))
    return table
