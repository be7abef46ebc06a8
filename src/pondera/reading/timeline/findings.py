"""What is worth knowing of a series of checkpoints: what never moved, where NaN appears, what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten

from pondera.choice import counted, listed, printable
from pondera.findings import Finding
from pondera.reading.comparison.result import block_of
from pondera.reading.timeline.checkpoints import Series
from pondera.reading.timeline.sums import Sums

SHOWN, LETTERS = 4, 160
"""Files that were left out of which is said why, and letters of that."""

Figures = Mapping[str, Sequence[Sums | None]]


def findings_of(series: Series, tensors: Figures, changed: Mapping[str, int | None]) -> tuple[Finding, ...]:
    """Return the findings, the gravest first."""
    return (
        *_broken(series, tensors),
        *_unordered(series),
        *_copies(series),
        *_strangers(series),
        *_still(tensors, changed),
        *_left_out(series),
    )


def _copies(series: Series) -> list[Finding]:
    if not series.copies:
        return []
    said = [f"{name} of {original}" for name, original in list(series.copies.items())[:4]]
    one = len(series.copies) == 1
    return [
        Finding(
            f"Of the same step as another, such as averages of its weights: {listed(said)}"
            f"{f' and {len(series.copies) - 4:,} more' if len(series.copies) > 4 else ''}. "
            f"{'It is no step' if one else 'They are no steps'} of the training.",
            {"copies": dict(series.copies)},
            "numbers in names, and steps in metadata",
            rule="copies",
        )
    ]


def _unordered(series: Series) -> list[Finding]:
    unknown = [name for name in series.unordered if name not in series.copies]
    if not unknown:
        return []
    one = len(unknown) == 1
    return [
        Finding(
            f"Nothing tells the place of {listed(unknown[:4])}"
            f"{' and more' if len(unknown) > 4 else ''} in the training: there is no number in the "
            f"name{'' if one else 's'}, and not in all checkpoints a step. "
            + ("It" if one else "They")
            + (
                f" {'comes' if one else 'come'} last."
                if series.placed == len(series.names)
                else f" {'is' if one else 'are'} shown apart, beside the first checkpoint."
            ),
            {"checkpoints": unknown},
            "names and metadata",
            advice="Give it the number of its step in its name, or take it out of the folder."
            if one
            else "Give them the numbers of their steps in their names, or take them out of the folder.",
            rule="order not known",
        )
    ]


def _still(tensors: Figures, changed: Mapping[str, int | None]) -> list[Finding]:
    still = [name for name in tensors if changed[name] == 0]
    if not still:
        return []
    followed = [name for name in tensors if changed[name] is not None]
    moved = {block_of(name) for name in followed if changed[name]}
    whole = list(dict.fromkeys(block_of(name) for name in still if block_of(name) not in moved))
    parts = len(still) > 6 and bool(whole)
    shown = whole if parts else still
    verb = "never moved" if len(still) < len(followed) else "never moved (the checkpoints are all the same)"
    return [
        Finding(
            f"{len(still):,} of {counted(len(followed), 'tensor')} {verb}{', all of' if parts else ':'} "
            + listed(shown[:6])
            + (f" and {len(shown) - 6:,} more." if len(shown) > 6 else "."),
            {"tensors": still},
            "bits of all checkpoints in their order",
            rule="never moved",
        )
    ]


def _broken(series: Series, tensors: Figures) -> list[Finding]:
    for at, name in enumerate(series.names):
        some = [tensor for tensor, figures in tensors.items() if (each := figures[at]) is not None and each.broken]
        if some:
            more = f" and {len(some) - 4:,} more" if len(some) > 4 else ""
            return [
                Finding(
                    f"NaN or infinity appears in {name}: in {listed(some[:4])}{more}.",
                    {"checkpoint": name, "tensors": some},
                    "count of values that are not finite",
                    advice="Go back to the checkpoint before." if 0 < at < series.placed else "",
                    rule="not finite",
                    where=some[0],
                )
            ]
    return []


def _strangers(series: Series) -> list[Finding]:
    first = {name: tensor.shape for name, tensor in series.weights[0].items()}
    others = [
        name
        for name, weights in zip(series.names, series.weights, strict=True)
        if {each: tensor.shape for each, tensor in weights.items()} != first
    ]
    if not others:
        return []
    verb = "has" if len(others) == 1 else "have"
    return [
        Finding(
            f"{listed(others[:4])}{' and more' if len(others) > 4 else ''} {verb} other tensors or shapes than "
            f"{series.names[0]}: other parts were saved, or it is a different architecture. What they share is "
            "followed.",
            {"checkpoints": others},
            "names and shapes",
            rule="different architectures",
        )
    ]


def _left_out(series: Series) -> list[Finding]:
    if not series.left_out:
        return []
    said = [
        f"{name} ({shorten(printable(why), LETTERS, placeholder=' …').rstrip('.')})"
        for name, why in series.left_out.items()
    ]
    return [
        Finding(
            f"Left out: {listed(said[:SHOWN])}" + (f" and {len(said) - SHOWN:,} more." if len(said) > SHOWN else "."),
            {"files": series.left_out},
            "what each file holds",
            rule="left out",
        )
    ]
