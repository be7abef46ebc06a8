"""What is in a file of weights, as a page of its own."""

from __future__ import annotations

from pondera.choice import counted
from pondera.markup import table
from pondera.reading.read import Reading
from pondera.report.charts.reading import CHARTS, svg
from pondera.report.page import Section, findings_list, page
from pondera.report.reading import skipped_words
from pondera.report.terminal import amount, short

LISTED = 2_000  # layers and tensors that are in the tables


def reading_page(reading: Reading, name: str) -> str:
    """Return a reading as HTML: findings first, then charts, then tables."""
    weights = reading.weights
    sections = [_findings(reading), *_charts(reading), _layers(reading), _tensors(reading)]
    return page(
        name,
        f"{weights.format}. {skipped_words(weights.skipped)}." if weights.skipped else weights.format,
        (
            ("tensors", f"{len(weights):,}"),
            ("values", f"{weights.count:,}"),
            ("size", amount(weights.nbytes)),
            ("layers", f"{len(reading.layers):,}"),
            *([("constants of the graph", f"{reading.constants:,}")] if reading.constants else []),
            ("findings", f"{len(reading.findings):,}"),
        ),
        [each for each in sections if each is not None],
    )


def _findings(reading: Reading) -> Section:
    if not reading.findings:
        return Section("Findings", "No rule found anything wrong with these weights.", "")
    return Section(
        "Findings",
        f"{counted(len(reading.findings), 'finding')}, the gravest first.",
        findings_list(reading.findings),
    )


def _charts(reading: Reading) -> list[Section]:
    drawn = [(title, sentence, draw(reading)) for title, (sentence, draw) in CHARTS.items()]
    return [
        Section(title, sentence, f"<figure style='margin:0'>{svg(chart)}</figure>")
        for title, sentence, chart in drawn
        if chart is not None
    ]


def _layers(reading: Reading) -> Section:
    spectra = any(each.spectra for each in reading.layers)
    head = ["layer", "kind", "inputs", "outputs", "values", "strength"]
    head += ["largest singular value", "stable rank", "effective rank", "alpha"] if spectra else []
    rows = []
    for each in reading.layers[:LISTED]:
        row = [each.layer.name, each.layer.kind, _whole(each.layer.inputs), _whole(each.layer.outputs)]
        row += [f"{each.count:,}", short(each.strength)]
        if spectra:
            found = each.spectra.get("weight")
            row += (
                [
                    short(found.spectral_norm),
                    short(found.stable_rank),
                    short(found.effective_rank),
                    short(found.alpha),
                ]
                if found
                else ["–"] * 4
            )
        rows.append(row)
    return Section(
        "Layers",
        "Strength says how large the weights are, not how much an input matters: that needs data."
        + _left(len(reading.layers)),
        table(head, rows, paths=True),
    )


def _tensors(reading: Reading) -> Section:
    rows = []
    for tensor in list(reading.weights.values())[:LISTED]:
        found = reading.statistics.get(tensor.name)
        row = [tensor.name, tensor.dtype, "×".join(map(str, tensor.shape)) or "–", f"{tensor.count:,}"]
        if found is None:
            row += ["–"] * 7
        else:
            row += [short(each) for each in (found.minimum, found.maximum, found.mean, found.deviation, found.l2)]
            row += [f"{found.zeros:,}", f"{found.nan + found.infinite:,}"]
        rows.append(row)
    head = ["tensor", "dtype", "shape", "values", "min", "max", "mean", "std", "norm", "zeros", "NaN, ∞"]
    return Section("Tensors", "In the order of the file." + _left(len(reading.weights)), table(head, rows, paths=True))


def _left(count: int) -> str:
    more = count - LISTED
    return f" {more:,} more are left out here; --json has them all." if more > 0 else ""


def _whole(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"
