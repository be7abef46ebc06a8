"""What is in a model: architecture, columns, training figures, weights by layer."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pondera.choice import Choice, counted
from pondera.model.model import Model
from pondera.reading.statistics import Statistics
from pondera.report.terminal import QUIET, figure, score
from pondera.report.training import HEADINGS, VALIDATION_METRICS, describe
from pondera.tables.target import Classes

SHOWN = 40  # columns that are listed


def model_json(model: Model, path: str) -> dict[str, Any]:
    """Return what is in a model as one JSON object."""
    return {
        "model": path,
        "task": model.task,
        "target": model.target_name,
        "classes": list(model.target.values) if isinstance(model.target, Classes) else None,
        "columns": [column.to_json() for column in model.encoding.columns],
        "inputs": [each.name for each in model.encoding.inputs],
        "architecture": model.architecture.to_json(),
        "networks": len(model.networks),
        "loss": model.loss.to_json(),
        "record": {name: value for name, value in model.record.items() if name != "sketch"},  # hashes, for explain only
        "weights": [_tensor_json(name, values) for name, values in model.weights.items()],
    }


def _tensor_json(name: str, values: Any) -> dict[str, Any]:
    statistics = Statistics.of(values)
    return {
        "name": name,
        "shape": list(values.shape),
        "dtype": values.dtype.name,
        "count": statistics.count,
        "min": statistics.minimum,
        "max": statistics.maximum,
        "mean": statistics.mean,
        "std": statistics.deviation,
    }


def show_model(console: Console, model: Model, path: str) -> None:
    """Print what is in a model."""
    console.print(Text.assemble((path, "bold"), f"  predicts {model.target_name} ", (f"({model.task})", QUIET)))
    console.print()
    console.print(_facts(model))
    console.print()
    console.print(_columns(model))
    console.print()
    console.print(_weights(model))


def _facts(model: Model) -> Table:
    record = model.record
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style=QUIET)
    table.add_column()
    count = f"{len(model.networks)} networks of " if len(model.networks) > 1 else ""
    table.add_row("network", f"{describe(model.networks[0])}  ({count}{model.networks[0].size:,} weights)")
    if isinstance(model.target, Classes):
        shown = ", ".join(str(value) for value in model.target.values[:12])
        table.add_row("classes", shown + (", …" if len(model.target.values) > 12 else ""))
    else:
        table.add_row(
            "target", f"{figure(model.target.low)} to {figure(model.target.high)}, mean {figure(model.target.mean)}"
        )
    plan, fit = record["plan"], record["fits"][0]
    optimizer = Choice.of(plan["optimizer"]).name
    rate = "its own learning rate" if plan["learning_rate"] is None else f"learning rate {plan['learning_rate']:g}"
    decay = f", weight decay {plan['weight_decay']:g}" if plan["weight_decay"] else ""
    table.add_row("recipe", f"{record['recipe']}: {optimizer}, {rate} ({Choice.of(plan['schedule']).name}){decay}")
    table.add_row(
        "plan", f"{counted(plan['epochs'], 'epoch')} of batches of {plan['batch_size']:,}, seed {plan['seed']}"
    )
    rows, notes = record["rows"], record.get("notes", {})
    table.add_row("rows", f"{rows['train']:,} trained on, {rows['validation']:,} to choose the best epoch")
    table.add_row("ended", fit["message"])
    held = [entry for entry in record["history"] if entry["network"] == 0 and entry["epoch"] == fit["best_epoch"]]
    if held and held[0]["validation_metric"] is not None:
        name = VALIDATION_METRICS[fit["metric"]]
        table.add_row(
            "on validation rows", f"{name} {score(held[0]['validation_metric'])} in epoch {fit['best_epoch'] + 1}"
        )
    test = notes.get("test")
    if isinstance(test, dict):
        figures: dict[str, float | None] = {
            name: value for name, value in test.items() if value is None or isinstance(value, int | float)
        }
        listed = ", ".join(
            f"{HEADINGS.get(name, name).rstrip(' ↑↓')} {score(value)}" for name, value in figures.items()
        )
        table.add_row("on test rows", listed + (f" ({notes['test_rows']:,} rows)" if "test_rows" in notes else ""))
    table.add_row("versions", ", ".join(f"{name} {version}" for name, version in record["versions"].items()))
    return table


def _columns(model: Model) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    table.add_column("column")
    table.add_column("kind")
    table.add_column("values")
    columns = model.encoding.columns
    for column in columns if len(columns) <= SHOWN else columns[: SHOWN - 1]:
        values = ", ".join(str(value) for value in column.categories[:6])
        values += f", … ({len(column.categories)})" if len(column.categories) > 6 else ""
        missing = "some missing" if column.missing_seen else ""
        table.add_row(column.name, column.kind, "; ".join(part for part in (values, missing) if part))
    if len(columns) > SHOWN:
        table.add_row(f"and {len(columns) - SHOWN + 1:,} more (all of them: --json)", style=QUIET)
    return table


def _weights(model: Model) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    table.add_column("weights")
    for heading in ("shape", "count", "min", "max", "mean", "std"):
        table.add_column(heading, justify="right")
    for name, values in model.weights.items():
        statistics = Statistics.of(values)
        table.add_row(
            name,
            " × ".join(map(str, values.shape)),
            f"{statistics.count:,}",
            figure(statistics.minimum, 3),
            figure(statistics.maximum, 3),
            figure(statistics.mean, 2),
            figure(statistics.deviation, 3),
        )
    return table
