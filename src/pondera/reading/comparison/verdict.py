"""From what became of every tensor to what became of the network.

Weights that two trainings from different random starts led to have nothing in common slot by slot: their correlation is
0 ± 1/√n for n values. Those of one training at two times have much. Measured on scikit-learn's ``MLPClassifier``
(digits, 64-128-128-10, Adam at 0.001 and 0.01, 40 epochs, four starts): matrices of different starts correlate by at
most 0.055, the smallest having 1,280 values; those of one training by 0.54 and more from its start to its end, by 0.93
and more from epoch 10 on. :data:`UNRELATED` lies nearer to chance because long trainings go far.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from pondera.choice import counted, listed
from pondera.reading.comparison import kernels
from pondera.reading.comparison.differences import FAR
from pondera.reading.comparison.result import EXPLAINED, MISSING, SAME, Moved, Pair, moved_blocks

VERDICTS = (
    "same weights in another file",
    "same network, renamed or transposed",
    "same network, units reordered",
    "part of the same network",
    "only rounded",
    "values set to zero",
    "rescaled",
    "values overwritten",
    "low-rank adapter merged",
    "low-rank adapter of the other",
    "fine-tuned",
    "unrelated networks",
    "different architectures",
)

ADAPTER = "low-rank adapter of the other"
"""The verdict where one is no network by itself."""

STRANGERS = ("unrelated networks", "different architectures")
"""Verdicts of networks that have nothing in common."""

TRAINED = ("fine-tuned", "low-rank adapter merged")
"""Verdicts after which weights were trained."""

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

Verdict = tuple[str, str]


def judged(pairs: Sequence[Pair]) -> Verdict:
    """Return the verdict, one of :data:`VERDICTS`, and its sentence."""
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
    kinds = {pair.status for pair in moved} - set(EXPLAINED)
    for explained, verdict in WITHOUT_TRAINING:
        if kinds <= explained:
            return verdict(compared, moved)
    return _trained(compared, moved)


def _strangers(pairs: Sequence[Pair], compared: Sequence[Pair]) -> Verdict:
    shapes = [Counter(pair.tensor.shape for pair in pairs if pair.status == status) for status in MISSING[:2]]
    common = sum((shapes[0] & shapes[1]).values())
    if common and common >= min(sum(each.values()) for each in shapes) / 2:
        return "unrelated networks", (
            f"Unrelated networks: {counted(common, 'tensor')} of the same shape on both sides, but by neither name nor "
            "content does one belong to another."
        )
    some = f"only {counted(len(compared), 'tensor')} of" if compared else "no tensor of"
    return "different architectures", f"Different architectures: {some} one fits the other by name, shape or content."


def _same(compared: Sequence[Pair]) -> Verdict:
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


def _part(compared: Sequence[Pair], missing: Sequence[Pair]) -> Verdict:
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


def _rounded(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
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
    return "only rounded", f"Only rounded: {' and '.join(ways)}{others}.{stored} Nothing was trained.{names}"


def _reordered(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
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


def _zeroed(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    said = []
    for side in ("first", "second"):
        some = [(pair, pair.differences) for pair in moved if pair.differences and pair.differences.zeroed == side]
        if some:
            zeros = sum(int(found.counts[kernels.CHANGED] - found.counts[kernels.SIGNS]) for _, found in some)
            values = sum(pair.count for pair, _ in some)
            where = some[0][0].name if len(some) == 1 else f"{len(some):,} of {counted(len(compared), 'tensor')}"
            number = f"all {zeros:,} values" if zeros == values else f"{zeros:,} of the {counted(values, 'value')}"
            said.append(f"{number} of {where} {'is' if zeros == 1 else 'are'} zero in the {side} only")
    return "values set to zero", f"Values set to zero: {' and '.join(said)}; {_others(compared, moved)}."


def _rescaled(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    factors = {pair.name: pair.differences.factor for pair in moved if pair.status == "rescaled" and pair.differences}
    said = [f"{name} is {factor:.6g} times that of the first" for name, factor in factors.items()]
    more = f" and {len(said) - 4:,} more" if len(said) > 4 else ""
    return "rescaled", f"Rescaled: in the second, {listed(said[:4])}{more}; {_others(compared, moved)}."


def _overwritten(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    some = [pair for pair in moved if pair.status == "overwritten"]
    said = [_damage(pair) for pair in some]
    more = f" and in {len(some) - 3:,} more" if len(some) > 3 else ""
    zeroed = [pair.name for pair in moved if pair.status == "zeroed"]
    also = f"; values of {listed(zeroed[:3])} are zero" if zeroed else ""
    return "values overwritten", (
        f"Values overwritten, as by damage, not by training: {listed(said[:3])}{more}{also}; "
        f"{_others(compared, moved)}."
    )


def _damage(pair: Pair) -> str:
    """Return what became of an overwritten tensor: "3 of the 512 values of fc.weight are NaN or infinite"."""
    found = pair.differences
    assert found is not None
    changed = int(found.counts[kernels.CHANGED])
    broken = abs(int(found.counts[kernels.BROKEN_X] - found.counts[kernels.BROKEN_Y]))
    usual = math.sqrt(min(found.sums[kernels.XX], found.sums[kernels.YY]) / max(found.finite, 1))
    of = f"of the {counted(pair.count, 'value')} of {pair.name}"
    lost = f"NaN or infinite in the {found.overwritten}"
    if broken == changed:
        return f"{changed:,} {of} {'is' if changed == 1 else 'are'} {lost}"
    far = f", by up to {found.max / usual:.3g} times their usual size" if usual and found.max > FAR * usual else ""
    also = f", and {broken:,} {'is' if broken == 1 else 'are'} {lost}" if broken else f" in the {found.overwritten}"
    return f"{changed:,} {of} differ{'s' if changed == 1 else ''}{far}{also}"


def _others(compared: Sequence[Pair], moved: Sequence[Pair]) -> str:
    """Return what is to be said of the tensors that are the same or only rounded."""
    rounded = sum(pair.status in EXPLAINED for pair in moved)
    rest = len(compared) - len(moved)
    said = [f"{counted(rest, 'other tensor')} {'has' if rest == 1 else 'have'} the same values"] if rest else []
    if rounded:
        said.append(f"{rounded:,} {'is' if rounded == 1 else 'are'} only rounded")
    return " and ".join(said) or "no other tensor is in both"


WITHOUT_TRAINING = (
    (frozenset[str](), _rounded),
    ({"reordered", "zero signs"}, _reordered),
    ({"zeroed", "zero signs"}, _zeroed),
    ({"rescaled", "zero signs"}, _rescaled),
    ({"overwritten", "zeroed", "zero signs"}, _overwritten),
)
"""Statuses that, where tensors have no others, explain everything; and what makes their sentence."""


def _trained(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    changed = [pair for pair in moved if pair.status not in EXPLAINED]
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
    weights = [pair for pair in changed if pair.status == "changed" and not _is_counter(pair)]
    blocks = moved_blocks(weights or changed)
    most = " and ".join(f"{each.name} ({_percent(each)})" for each in blocks[:2])
    far = max((pair.differences.ulp or 0.0 for pair in changed if pair.differences), default=0.0)
    little = " None by more than one unit in the last place." if 0 < far <= 1 else ""
    counts = Counter(pair.status for pair in moved)
    kinds = {"rescaled": "rescaled", "zeroed": "with values set to zero", "overwritten": "with values overwritten"}
    besides = [f"{counts[status]:,} of them {words}" for status, words in kinds.items() if counts[status]]
    besides += [f"{len(moved) - len(changed):,} only rounded"] if len(moved) > len(changed) else []
    rounded = "".join(f", {each}" for each in besides)
    broken = sum(int(pair.differences.counts[kernels.BROKEN_Y]) for pair in changed if pair.differences)
    verb = "is" if broken == 1 else "are"
    lost = f" {counted(broken, 'value')} {verb} NaN or infinite in the second." if broken else ""
    return "fine-tuned", (
        f"Fine-tuned: {len(changed):,} of {counted(len(compared), 'tensor')} changed{rounded}, most in {most}; "
        f"{_equal(still)}.{little}{lost}"
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
