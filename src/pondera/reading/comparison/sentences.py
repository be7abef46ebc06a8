"""Sentences on two networks as wholes: the same, parts of one another, rounded, trained, strangers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pondera.choice import counted
from pondera.reading.comparison import kernels
from pondera.reading.comparison.result import EXPLAINED, MISSING, SAME, Moved, Pair, Verdict, moved_blocks
from pondera.reading.comparison.untrained import kinds_of
from pondera.weights.quantized.scaled import BESIDE

FEW_CHANGED = 0.25
"""A low rank is an adapter's only if more than this share of the values changed: a few new rows have few ranks too."""

FAR = 0.1
"""Of their norm: where all parts moved by more, the second need not descend from the first."""

SMALLEST = 8
"""Matrices with a smaller side than this have no low rank to speak of."""


def strangers(pairs: Sequence[Pair], compared: Sequence[Pair]) -> Verdict:
    """Return the verdict on two networks of which hardly anything belongs together."""
    alone = [pair for pair in pairs if pair.status in MISSING]
    shapes = [Counter(t.shape for pair in alone if (t := getattr(pair, side))) for side in ("first", "second")]
    common = sum((shapes[0] & shapes[1]).values())
    if common and common >= min(sum(each.values()) for each in shapes) / 2:
        return "unrelated networks", (
            f"Unrelated networks: {counted(common, 'tensor')} of the same shape on both sides, but by neither name nor "
            "content does one belong to another."
        )
    some = f"only {counted(len(compared), 'tensor')} of" if compared else "no tensor of"
    return "different architectures", f"Different architectures: {some} one fits the other by name, shape or content."


def same(compared: Sequence[Pair]) -> Verdict:
    """Return the verdict where all values are the same."""
    kinds = Counter(pair.status for pair in compared)
    dtypes = _dtypes(pair for pair in compared if pair.first and pair.second and pair.first.dtype != pair.second.dtype)
    stored = f"; stored {dtypes}, which loses nothing" if dtypes else ""
    if set(kinds) == {"equal"}:
        every = counted(len(compared), "tensor")
        one = len(compared) == 1
        how = f"{'has' if one else 'have'} the same values" if dtypes else f"{'is' if one else 'are'} equal bit for bit"
        return "same weights in another file", f"The same weights in another file: {every} {how}{stored}."
    words = {
        "equal": "under the same name",
        "rotary order": "with rows in rotary order",
        "fused": "as part of a fused one",
    }
    words["split"] = "split off a fused one"
    how = ", ".join(f"{number:,} {words.get(kind, kind)}" for kind, number in kinds.most_common())
    return (
        "same network, renamed or transposed",
        f"The same network, renamed or transposed: all values are the same; of the tensors {how}{stored}.",
    )


def part(compared: Sequence[Pair], missing: Sequence[Pair]) -> Verdict:
    """Return the verdict where what both have is the same."""
    counts = Counter(pair.status for pair in missing)
    words = {MISSING[0]: "only in the first", MISSING[1]: "only in the second", MISSING[2]: "of another shape"}
    words["extended"] = "the same but for rows that one has more of"
    rest = ", ".join(f"{counts[status]:,} {said}" for status, said in words.items() if counts[status])
    return "part of the same network", (
        f"Part of the same network: {counted(len(compared) - counts['extended'], 'tensor')} of both have the same "
        f"values; {rest}."
    )


def rounded(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where storing in fewer bits explains every difference."""
    ways = []
    to: Counter[tuple[str, bool]] = Counter()
    both: Counter[str] = Counter()
    for pair in moved:
        if pair.rounding:
            how = f"rounded {'towards zero ' if pair.rounding.chop else ''}to {pair.rounding.to}"
            to[how, pair.rounding.of_first] += 1
        elif pair.differences and pair.first and pair.second:
            encoding, kinds = pair.differences.encoding, (pair.first.dtype, pair.second.dtype)
            if encoding is None or all(kind.endswith(BESIDE) for kind in kinds):
                both[" and ".join(dict.fromkeys(kinds))] += 1
            else:
                to[f"quantized to {encoding}", kinds[1] == encoding] += 1
    for (how, of_first), number in to.most_common():
        which = "the second is the first" if of_first else "the first is the second"
        ways.append(f"{which} {how} ({counted(number, 'tensor')})")
    for kinds_of_both, number in both.most_common():
        ways.append(f"both hold roundings of the same values, to {kinds_of_both} ({counted(number, 'tensor')})")
    rest = len(compared) - len(moved)
    others = f"; {counted(rest, 'other')} {'has' if rest == 1 else 'have'} the same values" if rest else ""
    renamed = sum(bool(p.second and p.first and p.second.name != p.first.name) for p in compared)
    names = f" {counted(renamed, 'tensor')} {'goes' if renamed == 1 else 'go'} by another name." if renamed else ""
    recast = [pair for pair in moved if pair.first and pair.second and pair.first.dtype != pair.second.dtype]
    stored = f" Stored {_dtypes(recast)}." if recast else ""
    return "only rounded", f"Only rounded: {' and '.join(ways)}{others}.{stored} Nothing was trained.{names}"


def _dtypes(pairs: Iterable[Pair]) -> str:
    """Return what was stored as what, such as "float32 as bfloat16"."""
    found = Counter((pair.first.dtype, pair.second.dtype) for pair in pairs if pair.first and pair.second)
    return ", ".join(f"{one} as {other}" for (one, other), _ in found.most_common(3))


def trained(compared: Sequence[Pair], moved: Sequence[Pair]) -> Verdict:
    """Return the verdict where weights were trained, and where most."""
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
    weights = [pair for pair in changed if pair.status == "changed" and not pair.is_counter]
    blocks = moved_blocks(weights or changed)
    most = " and ".join(f"{each.name} ({_percent(each)})" for each in blocks[:2])
    far = max((pair.differences.ulp or 0.0 for pair in changed if pair.differences), default=0.0)
    little = " None by more than one unit in the last place." if 0 < far <= 1 else ""
    besides = [f"of them {each}" for each in kinds_of(moved)]
    besides += [f"{len(moved) - len(changed):,} only rounded"] if len(moved) > len(changed) else []
    rounded = "".join(f", {each}" for each in besides)
    broken = sum(int(pair.differences.counts[kernels.BROKEN_Y]) for pair in changed if pair.differences)
    verb = "is" if broken == 1 else "are"
    lost = f" {counted(broken, 'value')} {verb} NaN or infinite in the second." if broken else ""
    siblings = not still and all(each.relative is None or each.relative > FAR for each in blocks)
    apart = " Two that were trained apart from the same random start look like this too." if siblings else ""
    return "fine-tuned", (
        f"Fine-tuned: {len(changed):,} of {counted(len(compared), 'tensor')} changed{rounded}, most in {most}; "
        f"{_equal(still)}.{little}{lost}{apart}"
    )


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
