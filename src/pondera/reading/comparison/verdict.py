"""From what became of every tensor to what became of the network.

Weights that two trainings from different random starts led to have nothing in common slot by slot: their correlation is
0 ± 1/√n for n values. Those of one training at two times have much. Measured on scikit-learn's ``MLPClassifier``
(digits, 64-128-128-10, Adam at 0.001 and 0.01, 40 epochs, four starts): matrices of different starts correlate by at
most 0.055, the smallest having 1,280 values; those of one training by 0.54 and more from its start to its end, by 0.93
and more from epoch 10 on. :data:`UNRELATED` lies nearer to chance because long trainings go far.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from pondera.choice import counted, listed, unmatched
from pondera.errors import ArgumentError
from pondera.findings import Finding
from pondera.reading.comparison import kernels
from pondera.reading.comparison.result import EXPLAINED, MISSING, SAME, Moved, Pair, block_of, moved_blocks

NUMBER = re.compile(r"\d+")

VERDICTS = (
    "same weights in another file",
    "same network, renamed or transposed",
    "same network, units reordered",
    "part of the same network",
    "only rounded",
    "low-rank adapter merged",
    "fine-tuned",
    "unrelated networks",
    "different architectures",
)

UNRELATED = 0.1
"""Below this correlation, median over the values of all matrices, networks have nothing in common."""

SHARED = 0.1
"""If less than this share of the smaller network's values can be compared at all, the architectures differ."""

PART = 0.5
"""Equal values make two networks parts of one if they are so much of the smaller one: a fixed table may be shared."""

FEW_CHANGED = 0.25
"""A low rank is an adapter's only if more than this share of the values changed: a few new rows have few ranks too."""

SMALLEST = 8
"""Matrices with a smaller side than this have no low rank to speak of."""

Judged = tuple[str, str, tuple[Finding, ...]]


def judged(pairs: Sequence[Pair], frozen: Iterable[str] = ()) -> Judged:
    """Return the verdict, its sentence, and what else is worth knowing.

    Raises
    ------
    ArgumentError
        If a pattern of ``frozen`` matches no tensor.
    """
    verdict, statement = _verdict(pairs)
    findings = [
        *_missing(pairs),
        *_not_finite(pairs),
        *_frozen(pairs, frozen),
        *(_still(pairs) if verdict in ("fine-tuned", "low-rank adapter merged") else []),
        *(_statistics_moved(pairs)),
        *(_turned(pairs)),
    ]
    return verdict, statement, tuple(findings)


def _verdict(pairs: Sequence[Pair]) -> tuple[str, str]:
    compared = [pair for pair in pairs if pair.compared]
    sizes = [
        sum(t.count for t in {p.name: p.tensor for p in pairs if getattr(p, s)}.values()) for s in ("first", "second")
    ]
    shared = sum(pair.count for pair in compared)
    if not compared or shared < SHARED * min(sizes):
        return _strangers(pairs, compared)
    moved = [pair for pair in compared if pair.status not in SAME]
    if not moved:
        missing = [pair for pair in pairs if not pair.compared]
        if missing and shared < PART * min(sizes):
            return "different architectures", (
                f"Different architectures: {counted(len(compared), 'tensor')} of one "
                f"{'has its' if len(compared) == 1 else 'have their'} equal in the other, "
                f"{shared / min(sizes):.0%} of the smaller network, and nothing else belongs together."
            )
        return _part(compared, missing) if missing else _same(compared)
    median = _median_correlation(compared)
    if median is not None and abs(median) < UNRELATED:
        return "unrelated networks", (
            f"Unrelated networks: {counted(len(compared), 'tensor')} fit by name and shape, but their values have "
            f"nothing in common (median correlation {median:.3f}); they were trained from different starts."
        )
    if all(pair.status in EXPLAINED for pair in moved):
        return "only rounded", _rounded(compared, moved)
    if all(pair.status in ("reordered", "zero signs", *EXPLAINED) for pair in moved):
        return _reordered(compared, moved)
    return _trained(compared, moved)


def _strangers(pairs: Sequence[Pair], compared: Sequence[Pair]) -> tuple[str, str]:
    shapes = [Counter(pair.tensor.shape for pair in pairs if pair.status == status) for status in MISSING[:2]]
    common = sum((shapes[0] & shapes[1]).values())
    if common and common >= min(sum(each.values()) for each in shapes) / 2:
        return "unrelated networks", (
            f"Unrelated networks: {counted(common, 'tensor')} of the same shape on both sides, but by neither name nor "
            "content does one belong to another."
        )
    some = f"only {counted(len(compared), 'tensor')} of" if compared else "no tensor of"
    return "different architectures", f"Different architectures: {some} one fits the other by name, shape or content."


def _same(compared: Sequence[Pair]) -> tuple[str, str]:
    kinds = Counter(pair.status for pair in compared)
    dtypes = _dtypes(pair for pair in compared if pair.first and pair.second and pair.first.dtype != pair.second.dtype)
    stored = f"; stored {dtypes}, which loses nothing" if dtypes else ""
    if set(kinds) == {"equal"}:
        every = counted(len(compared), "tensor")
        one = len(compared) == 1
        how = f"{'has' if one else 'have'} the same values" if dtypes else f"{'is' if one else 'are'} equal bit for bit"
        return VERDICTS[0], f"The same weights in another file: {every} {how}{stored}."
    words = {
        "equal": "under the same name",
        "rotary order": "with rows in rotary order",
        "fused": "as part of a fused one",
    }
    words["split"] = "split off a fused one"
    how = ", ".join(f"{number:,} {words.get(kind, kind)}" for kind, number in kinds.most_common())
    return VERDICTS[
        1
    ], f"The same network, renamed or transposed: all values are the same; of the tensors {how}{stored}."


def _part(compared: Sequence[Pair], missing: Sequence[Pair]) -> tuple[str, str]:
    counts = Counter(pair.status for pair in missing)
    words = {MISSING[0]: "only in the first", MISSING[1]: "only in the second", MISSING[2]: "of another shape"}
    rest = ", ".join(f"{counts[status]:,} {said}" for status, said in words.items() if counts[status])
    return "part of the same network", (
        f"Part of the same network: {counted(len(compared), 'tensor')} of both have the same values; {rest}."
    )


def _dtypes(pairs: Iterable[Pair]) -> str:
    """Return what was stored as what, such as "float32 as bfloat16"."""
    found = Counter((pair.first.dtype, pair.second.dtype) for pair in pairs if pair.first and pair.second)
    return ", ".join(f"{one} as {other}" for (one, other), _ in found.most_common(3))


def _rounded(compared: Sequence[Pair], moved: Sequence[Pair]) -> str:
    ways = []
    to: Counter[tuple[str, bool]] = Counter()
    for pair in moved:
        if pair.rounding:
            how = f"rounded {'towards zero ' if pair.rounding.chop else ''}to {pair.rounding.to}"
            to[how, pair.rounding.of_first] += 1
        elif pair.differences and pair.second:
            encoding = str(pair.differences.encoding)
            to[f"quantized to {encoding}", pair.second.dtype == encoding] += 1
    for (how, of_first), number in to.most_common():
        ways.append(f"{'the second is the first' if of_first else 'the first is the second'} {how} ({number:,})")
    rest = len(compared) - len(moved)
    others = f"; {counted(rest, 'other')} {'has' if rest == 1 else 'have'} the same values" if rest else ""
    renamed = sum(bool(p.second and p.first and p.second.name != p.first.name) for p in compared)
    names = f" {counted(renamed, 'tensor')} {'goes' if renamed == 1 else 'go'} by another name." if renamed else ""
    recast = [pair for pair in moved if pair.first and pair.second and pair.first.dtype != pair.second.dtype]
    stored = f" Stored {_dtypes(recast)}." if recast else ""
    return f"Only rounded: {' and '.join(ways)}{others}.{stored} Nothing was trained.{names}"


def _reordered(compared: Sequence[Pair], moved: Sequence[Pair]) -> tuple[str, str]:
    turned = [pair for pair in moved if pair.status == "reordered"]
    if not turned:
        number = sum(pair.status == "zero signs" for pair in moved)
        return VERDICTS[0], (
            f"The same weights in another file: of {counted(len(compared), 'tensor')}, {number:,} differ in the "
            "signs of zeros, and in nothing else but rounding."
        )
    return "same network, units reordered", (
        f"The same values in another order: in {len(turned):,} of {counted(len(compared), 'tensor')}, as when units "
        "were permuted."
    )


def _trained(compared: Sequence[Pair], moved: Sequence[Pair]) -> tuple[str, str]:
    changed = [pair for pair in moved if pair.status in ("changed", "reordered", "zero signs")]
    matrices = [pair for pair in changed if pair.rank is not None and pair.rank.side >= SMALLEST]
    adapted = [pair for pair in matrices if _adapted(pair)]
    still = sum(pair.status in SAME for pair in compared)
    if adapted and len(adapted) == len(matrices):
        ranks = sorted({pair.rank.rank for pair in adapted if pair.rank and pair.rank.rank})
        of = f"rank {ranks[-1]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
        more = len(changed) - len(adapted)
        also = f"; {counted(more, 'smaller tensor')} changed too" if more else ""
        return "low-rank adapter merged", (
            f"A low-rank adapter of {of} was merged into {len(adapted):,} of {counted(len(compared), 'tensor')}; "
            f"{_equal(still)}{also}."
        )
    weights = [pair for pair in changed if not _is_counter(pair)]
    blocks = moved_blocks(weights or changed)
    most = " and ".join(f"{each.name} ({_percent(each)})" for each in blocks[:2])
    far = max((pair.differences.ulp or 0.0 for pair in changed if pair.differences), default=0.0)
    little = " None by more than one unit in the last place." if 0 < far <= 1 else ""
    explained = len(moved) - len(changed)
    rounded = f", {explained:,} only rounded" if explained else ""
    return "fine-tuned", (
        f"Fine-tuned: {len(changed):,} of {counted(len(compared), 'tensor')} changed{rounded}, most in {most}; "
        f"{_equal(still)}.{little}"
    )


def _is_counter(pair: Pair) -> bool:
    """Whether it is a whole number by itself, such as how many batches a normalization has seen."""
    return not pair.tensor.shape and pair.tensor.dtype.startswith(("int", "uint"))


def _adapted(pair: Pair) -> bool:
    return bool(pair.rank and pair.rank.low and pair.differences and pair.differences.changed > FEW_CHANGED)


def _equal(still: int) -> str:
    return f"{still:,} did not move" if still else "none stayed as it was"


def _percent(moved: Moved) -> str:
    return (
        "from zero"
        if moved.relative is None
        else f"by {moved.relative:.2%}"
        if moved.relative > 1e-4
        else (f"by {moved.relative:.1e} of its norm")
    )


def _median_correlation(compared: Sequence[Pair]) -> float | None:
    """Return the correlation above and below which half of the values are; matrices where there are any."""
    matrices = [pair for pair in compared if pair.tensor.ndim >= 2 and pair.status not in MISSING]
    found = [
        (1.0 if pair.status in (*EXPLAINED, "zero signs", "reordered") else pair.correlation, pair.count)
        for pair in matrices or compared
    ]
    known = sorted((value, count) for value, count in found if value is not None)
    half = sum(count for _, count in known) / 2
    reached = 0
    for value, count in known:
        reached += count
        if reached >= half:
            return value
    return None


def _turned(pairs: Sequence[Pair]) -> list[Finding]:
    """Tensors transposed under their name while others of their series are not: no other framework's layout."""
    alike: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.first and pair.second and pair.first.name == pair.second.name and pair.tensor.ndim > 1:
            alike.setdefault(NUMBER.sub("*", pair.name), []).append(pair)
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
    blocks: dict[str, list[bool]] = {}
    for pair in pairs:
        if pair.compared:
            blocks.setdefault(block_of(pair.name), []).append(pair.status in SAME)
    still = [name for name, same in blocks.items() if all(same)]
    if not still:
        return []
    verb = "has" if len(still) == 1 else "have"
    return [
        Finding(
            f"{len(still):,} of {counted(len(blocks), 'part')} {verb} not moved at all: {listed(still[:6])}"
            + (f" and {len(still) - 6:,} more." if len(still) > 6 else "."),
            {"parts": still},
            "bits of both files",
            rule="never moved",
        )
    ]


RUNNING = ("running_mean", "running_var", "moving_mean", "moving_variance", "num_batches_tracked")


def _statistics_moved(pairs: Sequence[Pair]) -> list[Finding]:
    """Return whether statistics of normalization layers moved while no weight beside them did."""
    statistics: dict[str, list[Pair]] = {}
    still: dict[str, bool] = {}
    for pair in pairs:
        if not pair.compared:
            continue
        layer, _, last = pair.name.replace("/", ".").rpartition(".")
        if last in RUNNING:
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
            f"{counted(len(moved), 'normalization layer')} moved although frozen: running statistics changed while the "
            f"weights did not, in {listed(moved[:4])}.",
            {"layers": moved},
            "bits of both files",
            certainty="statistics that move beside weights that do not are those of layers left in training mode",
            advice="Put frozen normalization layers into evaluation mode.",
            rule="statistics moved",
        )
    ]
