"""The report of a training: how good, how large, what the weights say by themselves."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.choice import Choice, counted
from pondera.findings import Finding
from pondera.model.evaluation import Evaluation
from pondera.model.model import Model
from pondera.network.dense import Dense
from pondera.network.network import Network
from pondera.reading.strength import CAVEAT, Strength, strengths, strongest_finding
from pondera.report.terminal import QUIET, bar, score

HEADINGS = {
    "accuracy": "accuracy ↑",
    "log_loss": "log loss ↓",
    "roc_auc": "ROC AUC ↑",
    "rmse": "RMSE ↓",
    "mae": "MAE ↓",
    "r2": "R² ↑",
}
VALIDATION_METRICS = {"accuracy": "accuracy", "rmse": "RMSE/std"}
"""What an epoch's figure on the validation rows is: there the target is in its own standard deviations."""

SHOWN = 8  # inputs whose connections are listed


@dataclass(frozen=True)
class TrainingReport:
    """Everything that is said of a training, as data.

    Attributes
    ----------
    source
        What was trained on, for people.
    model, path
        The model, and where it was saved.
    test_rows
        How many rows it was tested on.
    evaluation
        How it did on them; None without any.
    findings
        What else is worth knowing.
    run
        The folder of the run that was recorded; None where none was.
    """

    source: str
    model: Model
    path: str
    test_rows: int
    evaluation: Evaluation | None
    findings: Sequence[Finding] = ()
    run: str | None = None

    @property
    def rows(self) -> dict[str, int]:
        """How many rows trained, chose the best epoch, and tested."""
        return {**self.model.record["rows"], "test": self.test_rows}

    def to_json(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        found = first_layer_strengths(self.model)
        return {
            "task": self.model.task,
            "target": self.model.target_name,
            "rows": self.rows,
            "metrics": {"test": self.evaluation.test if self.evaluation else None},
            "baselines": self.evaluation.baselines if self.evaluation else {},
            "network": describe(self.model.networks[0]),
            "networks": len(self.model.networks),
            "weights": self.model.networks[0].size,
            "connection_strength": [each.to_json() for each in found],
            "findings": [finding.to_json() for finding in self.all_findings()],
            "recipe": self.model.record["recipe"],
            "seed": self.model.record["plan"]["seed"],
            "fits": list(self.model.record["fits"]),
            "model": self.path,
            "run": self.run,
            "seconds": self.model.record["seconds"],
        }

    def all_findings(self) -> list[Finding]:
        """Return the verdict of the test, the findings, and last the one on connection strength."""
        found = first_layer_strengths(self.model)
        verdict = [self.evaluation.verdict] if self.evaluation else []
        return [*verdict, *self.findings, *([strongest_finding(found)] if found else [])]


def first_layer_strengths(model: Model) -> list[Strength]:
    """Return the connection strength of every input of the network; empty where its first layer has none."""
    matrices = [network.first_connections() for network in model.networks]
    known = [matrix for matrix in matrices if matrix is not None]
    return strengths(known, [each.name for each in model.encoding.inputs]) if known else []


def describe(network: Network) -> str:
    """Return a network's layers on one line: ``8 → scale → 256 mish → 256 mish → 1``."""
    parts = [str(network.architecture.inputs)]
    for layer, width in zip(network.architecture.layers, network.architecture.widths[1:], strict=True):
        if isinstance(layer, Dense):
            name = Choice.of(layer.activation).name
            parts.append(str(width) if name == "identity" else f"{width} {name}")
        else:
            parts.append(layer.kind)
    return " → ".join(parts)


def show_training(console: Console, report: TrainingReport) -> None:
    """Print the report."""
    _heading(console, report)
    if report.evaluation is not None:
        console.print(_scores(report.evaluation))
        verdict = report.evaluation.verdict
        console.print(Text(f"{verdict.statement} {verdict.advice}".rstrip(), style=QUIET))
    else:
        console.print(Text(_untested(report.model), style=QUIET))
    _network(console, report)
    _strengths(console, report)
    for finding in report.findings:
        console.print(f"Note  {finding.statement} {finding.advice}".rstrip())
    console.print()
    console.print(Text.assemble(("Saved", "bold"), f"  {report.path}"))
    if report.run is not None:
        text = Text.assemble(("Recorded", "bold"), f"  {report.run}; is the training healthy? ")
        console.print(text + Text(f"pondera check {shlex.quote(report.run)}", style="bold"), soft_wrap=True)


def _heading(console: Console, report: TrainingReport) -> None:
    console.print(
        Text.assemble((report.source, "bold"), f" → {report.model.target_name}  ", (f"({report.model.task})", QUIET))
    )
    counts = [f"{report.rows['train']:,} rows trained on"]
    counts += [f"{report.rows[name]:,} {words}" for name, words in _ROLES.items() if report.rows[name]]
    console.print(Text(", ".join(counts), style=QUIET))
    console.print()


_ROLES = {"validation": "to choose the best epoch", "test": "to test on"}


def _untested(model: Model) -> str:
    """Return what is known where no rows were kept for a test."""
    fit = model.record["fits"][0]
    best = [entry for entry in model.record["history"] if entry["epoch"] == fit["best_epoch"]][:1]
    held = best[0]["validation_metric"] if best else None
    name = VALIDATION_METRICS[fit["metric"]]
    known = "" if held is None else f" On the validation rows, which chose the epoch: {name} {score(held)}."
    return f"No rows were kept to test on, so how well it predicts rows it never saw is not known.{known}"


def _scores(evaluation: Evaluation) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style=QUIET)
    table.add_column("on the test rows")
    for name in evaluation.test:
        table.add_column(HEADINGS[name], justify="right")
    rows = {
        "this network": evaluation.test,
        "a linear model": evaluation.baselines["linear"],
        "always the same guess": evaluation.baselines["trivial"],
    }
    for label, metrics in rows.items():
        style = "bold" if label == "this network" else ""
        table.add_row(label, *(score(metrics[name]) for name in evaluation.test), style=style)
    return table


def _network(console: Console, report: TrainingReport) -> None:
    model = report.model
    fit = model.record["fits"][0]
    networks = f"{len(model.networks)} networks, averaged, of " if len(model.networks) > 1 else ""
    best = f", best epoch {fit['best_epoch'] + 1}" if report.rows["validation"] else ""
    trained = len({entry["epoch"] for entry in model.record["history"] if entry["network"] == 0})
    console.print()
    console.print(Text.assemble(("Network", "bold"), f"  {describe(model.networks[0])}"))
    console.print(
        Text(
            f"{networks}{model.networks[0].size:,} weights, recipe {model.record['recipe']}, "
            f"{counted(trained, 'epoch')}{best}, {model.record['seconds']:.1f} s",
            style=QUIET,
        )
    )


def _strengths(console: Console, report: TrainingReport) -> None:
    found = first_layer_strengths(report.model)
    if not found:
        return
    console.print()
    console.print(
        Text.assemble(("Connection strength", "bold"), ("  of the first layer, from the weights alone", QUIET))
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(overflow="ellipsis", no_wrap=True, max_width=32)
    table.add_column(justify="right")
    table.add_column()
    decimals = 1 if found[0].strength >= 10 else 2
    for each in found[:SHOWN]:
        spread = "" if each.spread is None else f" ± {each.spread:.{decimals}f}"
        table.add_row(each.name, f"{each.strength:.{decimals}f}{spread}", bar(each.strength, found[0].strength))
    console.print(table)
    if len(found) > SHOWN:
        more = counted(len(found) - SHOWN, "more input")
        console.print(Text(f"and {more}, down to {found[-1].strength:.{decimals}f}", style=QUIET))
    console.print(Text(CAVEAT, style=QUIET))
