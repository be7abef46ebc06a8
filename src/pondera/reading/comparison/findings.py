"""What else is worth knowing of two networks: what is missing, what is not finite, what moved although frozen."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

from pondera.choice import counted, listed, unmatched
from pondera.errors import ArgumentError
from pondera.findings import Finding
from pondera.reading.comparison import kernels
from pondera.reading.comparison.result import MISSING, SAME, Pair, block_of
from pondera.reading.series import family

COUNTED = ("int16", "int32", "int64", "uint16", "uint32", "uint64", "bool")
"""Dtypes of counters and indices, which are no weights; codes have eight bits."""


def findings_of(pairs: Sequence[Pair], frozen: Iterable[str], trained: bool) -> tuple[Finding, ...]:
    """Return the findings of a comparison, those first that say most about it.

    Parameters
    ----------
    pairs
        The tensors of both networks.
    frozen
        Patterns of tensors that should not have moved.
    trained
        Whether some of the weights were trained, so that those which were not are worth a word.

    Raises
    ------
    ArgumentError
        If a pattern of ``frozen`` matches no tensor.
    """
    return (
        *_missing(pairs),
        *_not_finite(pairs),
        *_frozen(pairs, frozen),
        *(_still(pairs) if trained else []),
        *_statistics_moved(pairs),
        *_turned(pairs),
    )


def _missing(pairs: Sequence[Pair]) -> list[Finding]:
    found = []
    words = {"only in first": "in the first only", "only in second": "in the second only"}
    for status in MISSING:
        some = [pair for pair in pairs if pair.status == status]
        if some:
            where = words.get(status, "of another shape in the second")
            names = [pair.name for pair in some]
            found.append(
                Finding(
                    f"{counted(len(some), 'tensor')} {'is' if len(some) == 1 else 'are'} {where}: {listed(names[:4])}"
                    + (f" and {len(names) - 4:,} more." if len(names) > 4 else "."),
                    {"tensors": names},
                    "names, naming schemes, shapes and contents",
                    rule=status,
                )
            )
    return found


def _not_finite(pairs: Sequence[Pair]) -> list[Finding]:
    found = []
    for pair in pairs:
        counts = pair.differences.counts if pair.differences else None
        if counts is None or counts[kernels.BROKEN_X] == counts[kernels.BROKEN_Y]:
            continue
        first, second = int(counts[kernels.BROKEN_X]), int(counts[kernels.BROKEN_Y])
        statement = f"{pair.name}: {first:,} values are not finite in the first, {second:,} in the second."
        figures = {"first": first, "second": second}
        found.append(Finding(statement, figures, "count of NaN and infinities", rule="not finite", where=pair.name))
    return found


def _frozen(pairs: Sequence[Pair], frozen: Iterable[str]) -> list[Finding]:
    names = [name for pair in pairs for name in _names(pair)]
    found = []
    for pattern in frozen:
        meant = [pair for pair in pairs if any(fnmatch.fnmatchcase(name, pattern) for name in _names(pair))]
        if not meant:
            raise ArgumentError(unmatched("tensor that should be frozen", pattern, names))
        compared = [pair for pair in meant if pair.compared]
        moved = [pair.name for pair in compared if pair.status not in SAME]
        lost = len(meant) - len(compared)
        unknown_too = f" {counted(lost, 'other')} could not be compared." if lost else ""
        said = f"{len(moved):,} of {counted(len(compared), 'tensor')} moved although frozen: {listed(moved[:4])}."
        found.append(
            Finding(
                (said if moved else f"{counted(len(compared), 'tensor')} frozen by {pattern!r} did not move.")
                + unknown_too,
                {"pattern": pattern, "moved": moved, "tensors": len(compared), "not_compared": lost},
                "bits of both files",
                advice="Look for what still updates them: weight decay, an optimizer that was given them."
                if moved
                else "",
                rule="moved although frozen" if moved else "frozen",
            )
        )
    return found


def _names(pair: Pair) -> list[str]:
    return list(dict.fromkeys(tensor.name for tensor in (pair.first, pair.second) if tensor))


def _still(pairs: Sequence[Pair]) -> list[Finding]:
    blocks: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.compared and pair.tensor.dtype not in COUNTED:
            blocks.setdefault(block_of(pair.name), []).append(pair)
    moved = [name for name, some in blocks.items() if any(pair.status not in SAME for pair in some)]
    still = [name for name in blocks if name not in moved]
    if not still:
        return []
    verb = "has" if len(still) == 1 else "have"
    said = [
        name if not any(other.startswith((f"{name}.", f"{name}/")) for other in moved) else f"the rest of {name}"
        for name in still[:6]
    ]
    return [
        Finding(
            f"{len(still):,} of {counted(len(blocks), 'part')} {verb} not moved at all: {listed(said)}"
            + (f" and {len(still) - 6:,} more." if len(still) > 6 else "."),
            {"parts": still},
            "bits of both files",
            rule="never moved",
        )
    ]


def _statistics_moved(pairs: Sequence[Pair]) -> list[Finding]:
    """Return whether statistics of normalization layers moved while no weight beside them did."""
    statistics: dict[str, list[Pair]] = {}
    still: dict[str, bool] = {}
    for pair in pairs:
        if not pair.compared:
            continue
        layer = pair.name.replace("/", ".").rpartition(".")[0]
        if pair.is_statistic:
            statistics.setdefault(layer, []).append(pair)
        else:
            still[layer] = still.get(layer, True) and pair.status in SAME
    moved = [
        layer for layer, some in statistics.items() if still.get(layer) and any(p.status not in SAME for p in some)
    ]
    if not moved:
        return []
    return [
        Finding(
            f"Running statistics of {counted(len(moved), 'normalization layer')} moved while the weights beside them "
            f"did not: {listed(moved[:4])}.",
            {"layers": moved},
            "bits of both files",
            certainty="statistics that move beside weights that do not are those of layers left in training mode",
            advice="If they were to be frozen, put these layers into evaluation mode.",
            rule="statistics moved",
        )
    ]


def _turned(pairs: Sequence[Pair]) -> list[Finding]:
    """Tensors transposed under their name while others of their series are not: no other framework's layout."""
    alike: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.first and pair.second and pair.first.name == pair.second.name and pair.tensor.ndim > 1:
            alike.setdefault(family(pair.name), []).append(pair)
    turned = [
        pair.name
        for some in alike.values()
        for pair in some
        if pair.status == "transposed" and any(other.status == "equal" for other in some)
    ]
    if not turned:
        return []
    return [
        Finding(
            f"{counted(len(turned), 'tensor')} {'is' if len(turned) == 1 else 'are'} transposed while others of the "
            f"same series are not: {listed(turned[:4])}{' and more' if len(turned) > 4 else ''}.",
            {"tensors": turned},
            "values of both files, by names that differ in numbers only",
            advice="What reads one of these files rightly reads the other wrongly there. Transpose them back.",
            rule="transposed alone",
            where=turned[0],
        )
    ]
