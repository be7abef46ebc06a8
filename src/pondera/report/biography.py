"""The life of a weight, for the terminal and as JSON."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.explaining.weight import Weight
from pondera.recording.biography import Biography
from pondera.report.plot import plot
from pondera.report.terminal import NEGATIVE, POSITIVE, QUIET, figure

HEIGHT, WIDEST = 8, 64

EFFECT = ("ablation_loss_change", "gradient", "curvature", "rows_up", "rows_down")
"""What is known of a weight where the model and the rows it was trained on are there."""


def biography_json(life: Biography, effect: Weight | None, note: str | None = None) -> dict[str, Any]:
    """Return the life of a weight and what it does on the rows it was trained on, None where these are not known.

    ``note`` says why they are not.
    """
    if effect is None:
        return life.to_json() | dict.fromkeys(EFFECT) | {"note": note}
    told = effect.to_json()
    return life.to_json() | {
        "note": note,
        "ablation_loss_change": effect.ablation,
        "gradient": effect.gradient,
        "curvature": effect.curvature,
        "rows_up": told["rows_up"],
        "rows_down": told["rows_down"],
    }


def network_in(run: str, part: int, networks: int) -> str:
    """Return where a weight or a unit is: the run, and of a population which of its networks.

    Examples
    --------
    >>> network_in("a-run", 0, 1), network_in("a-run", 1, 3)
    ('a-run', 'network 1 of a-run')
    """
    return run if networks == 1 else f"network {part} of {run}"


def show_biography(console: Console, life: Biography, effect: Weight | None, run: str, networks: int = 1) -> None:
    """Print the life of a weight of one of so many networks, and what it does on the rows it was trained on."""
    place = ",".join(map(str, life.index))
    console.print(Text.assemble((f"{life.name}[{place}]", "bold"), f"  of {network_in(run, life.part, networks)}"))
    console.print()
    facts = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    facts.add_row("start", Text(figure(life.initial, 6)), Text(_drawn(life), style=QUIET))
    facts.add_row("end" if life.of else "last recorded", Text(figure(life.final, 6)), Text(_place(life), style=QUIET))
    facts.add_row("moved", Text(f"{life.final - life.initial:+.6g}"), Text(_path(life), style=QUIET))
    console.print(facts)
    console.print()
    _curve(console, life)
    console.print()
    _moves(console, life)
    if effect is None:
        return
    console.print()
    what = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    what.add_column()
    what.add_column(justify="right")
    what.add_row("change of the mean loss of the rows trained on, when it is set to 0", f"{effect.ablation:+.4g}")
    what.add_row("its gradient there now", f"{effect.gradient:+.4g}")
    console.print(what)


def _drawn(life: Biography) -> str:
    spread = f", spread {figure(life.spread)}" if life.spread > 0 else ""
    source = "what it was drawn from is not known" if life.initializer is None else f"drawn from {life.source}"
    return f"{source}{spread}"


def _place(life: Biography) -> str:
    step = f"after step {int(life.steps[-1]):,}"
    lost = int(life.later[0][-1]) - life.kept if len(life.later[0]) else 0
    later = f"; {lost:,} later steps were not kept" if lost else ""
    rank = f", number {life.rank:,} of {life.of:,} by size" if life.rank else ""
    return f"{step}{rank}{later}"


def _path(life: Biography) -> str:
    signs = sum(1 for a, b in zip(life.values, life.values[1:], strict=False) if a * b < 0)
    crossed = f"; its sign changed {signs} time{'s' if signs != 1 else ''}" if signs else ""
    return f"lowest {figure(float(life.values.min()))}, highest {figure(float(life.values.max()))}{crossed}"


def _curve(console: Console, life: Biography) -> None:
    """Draw the weight over the logarithm of the step: most happens early, and most is recorded there."""
    if len(life.steps) < 2:
        return
    width = max(min(console.width - 14, WIDEST), 16)
    lines = plot([math.log1p(step) for step in life.steps], life.values.tolist(), width, HEIGHT)
    labels = {0: figure(float(life.values.max())), HEIGHT - 1: figure(float(life.values.min()))}
    for row, line in enumerate(lines):
        console.print(Text.assemble((f"{labels.get(row, ''):>10} │", QUIET), (line, POSITIVE)))
    ends = f"step {int(life.steps[0])}", f"{int(life.steps[-1]):,} (logarithmic)"
    console.print(Text(f"{'':>10} └{ends[0]}{ends[1]:>{width - len(ends[0])}}", style=QUIET))


def _moves(console: Console, life: Biography) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("largest moves", "steps", "change", "gradient at its beginning"):
        table.add_column(heading, justify="left" if heading == "largest moves" else "right")
    gradients = dict(zip(life.steps.tolist(), life.gradients.tolist(), strict=True))
    for number, (first, last, change) in enumerate(life.moves, 1):
        gradient = gradients[first]
        table.add_row(
            str(number),
            f"{first:,} → {last:,}",
            Text(f"{change:+.4g}", style=POSITIVE if change >= 0 else NEGATIVE),
            "–" if math.isnan(gradient) else f"{gradient:+.4g}",
        )
    console.print(table if life.moves else Text("It never moved from its start.", style="bold"))
