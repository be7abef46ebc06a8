"""Two networks side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pondera.errors import ArgumentError
from pondera.machine import cores
from pondera.reading.comparison import kernels
from pondera.reading.comparison.adapters import adapter_of
from pondera.reading.comparison.alike import same_values, stored_alike
from pondera.reading.comparison.differences import Rounding
from pondera.reading.comparison.exchanges import with_exchanges
from pondera.reading.comparison.findings import findings_of
from pondera.reading.comparison.matching import Match, matches
from pondera.reading.comparison.measure import differences_of
from pondera.reading.comparison.relations import EXTENDED, PART, ROTARY, TRANSPOSED
from pondera.reading.comparison.result import Comparison, Pair
from pondera.reading.comparison.scales import with_scales
from pondera.reading.comparison.spacing import SPACED, evenly_spaced
from pondera.reading.comparison.spectrum import rank_of
from pondera.reading.comparison.verdict import ADAPTER, TRAINED, judged
from pondera.weights.collection import Weights
from pondera.weights.layers import is_constant
from pondera.weights.open import weights_of


def compare(
    a: Weights | str | os.PathLike[str],
    b: Weights | str | os.PathLike[str],
    progress: Callable[[int], None] | None = None,
    frozen: Sequence[str] | None = None,
) -> Comparison:
    """Return what differs between two networks, and what that makes of the whole.

    Tensors are brought together by name, by naming scheme, and at last by shape and content: renamed, transposed,
    fused or split, rows reordered for rotary embeddings. Each pair is read once, in stretches on all cores.

    Parameters
    ----------
    a, b
        The first network, and what may have become of it; or the paths of their files, or of folders of them.
    progress
        Is told the bytes of each pair as it is done.
    frozen
        Patterns such as ``"encoder.*"`` of tensors that should not have moved.

    Raises
    ------
    ArgumentError
        If one of them holds no tensor, or a pattern matches none.
    ModelFileError
        If a file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, last in (("a", 3.0), ("b", 3.5)):
    ...         np.savez(f"{folder}/{name}.npz", kernel=np.array([[1.0, 2.0], [5.0, last]]), bias=np.ones(2))
    ...     found = compare(f"{folder}/a.npz", f"{folder}/b.npz")
    ...     found.verdict, [(pair.name, pair.status) for pair in found.tensors]
    ('fine-tuned', [('kernel', 'changed'), ('bias', 'equal')])
    """
    a, b = weights_of(a), weights_of(b)
    for weights, which in ((a, "first"), (b, "second")):
        if not len(weights):
            raise ArgumentError(f"The {which} holds no tensor: there is nothing to compare. Give two files of weights.")
    begun = time.perf_counter()
    opened = a, b
    a, b = with_scales(a, b)
    adapter = adapter_of(a, b)
    pairs = []
    with ThreadPoolExecutor(cores()) as pool:
        for match in matches(a, b) if adapter is None else ():
            pairs.append(_pair(match, pool))
            if progress is not None:
                progress(_read(match))
    pairs = with_exchanges(_all(a, b, pairs))
    verdict, statement = judged(pairs) if adapter is None else (ADAPTER, adapter.statement)
    findings = findings_of(pairs, frozen or (), trained=verdict in TRAINED)
    for weights in opened:
        weights.require_whole()
    return Comparison(verdict, statement, tuple(pairs), findings, time.perf_counter() - begun, a.nbytes + b.nbytes)


def _read(match: Match) -> int:
    """Return how many bytes a pair has; of a fused tensor, those of the part."""
    tensors = (match.first, match.second)
    shared = min(tensor.count for tensor in tensors)
    return sum(tensor.nbytes * shared // max(tensor.count, 1) for tensor in tensors)


def _all(a: Weights, b: Weights, pairs: list[Pair]) -> list[Pair]:
    """Return the pairs and every tensor that is in none, in the order of the files."""
    taken = {pair.first.name for pair in pairs if pair.first}, {pair.second.name for pair in pairs if pair.second}
    found = pairs + [Pair(tensor, None, "only in first") for name, tensor in a.items() if name not in taken[0]]
    order = {name: at for at, name in enumerate(a)}
    found.sort(key=lambda pair: order[pair.name])
    found += [Pair(None, tensor, "only in second") for name, tensor in b.items() if name not in taken[1]]
    constants = _constants(a) | _constants(b)
    return [pair for pair in found if pair.compared or pair.name not in constants]


def _constants(weights: Weights) -> set[str]:
    """Return the names of what an ONNX graph counts and indexes with: nobody misses it in another format."""
    if not weights.format.startswith("ONNX"):
        return set()
    from pondera.weights.naming.assembly import layers_of

    return {name for each in layers_of(weights) if is_constant(each, weights) for name in each.tensors.values()}


def _pair(match: Match, pool: ThreadPoolExecutor) -> Pair:
    first, second, relation = match.first, match.second, match.relation
    if relation is None:
        return Pair(first, second, "shape differs", match.by)
    one, other = relation.first, relation.second
    same = _same_status(match)
    if match.equal or stored_alike(one, other):
        return Pair(first, second, same, match.by, relation.words)
    found = differences_of(one, other, pool)
    known = (match.by, relation.words, found)
    if not found.changed:  # whole numbers of 64 bits may differ in what float64 does not hold
        hidden = first.dtype == second.dtype and first.dtype in ("int64", "uint64") and one.straight and other.straight
        return Pair(first, second, "changed" if hidden else same, *known)
    if found.max == 0 and not found.counts[kernels.BROKEN]:
        return Pair(first, second, "zero signs", *known)
    rounding = found.rounding()
    if rounding is not None:
        return Pair(first, second, "rounded", *known, rounding=rounding)
    if found.quantized:
        return Pair(first, second, "quantized", *known)
    if found.apart == 0:
        return Pair(first, second, "rounded", *known)
    if (of_first := evenly_spaced(one, other)) is not None:
        return Pair(first, second, "rounded", *known, rounding=Rounding(SPACED, chop=False, of_first=of_first))
    if found.may_be_reordered and same_values(one, other):
        return Pair(first, second, "reordered", *known)
    if found.zeroed and first.shape:
        return Pair(first, second, "zeroed", *known)
    if found.factor is not None:
        return Pair(first, second, "rescaled", *known)
    status = "overwritten" if found.overwritten else "replaced" if found.unlike else "changed"
    return Pair(first, second, status, *known, rank=rank_of(one, other, pool))


def _same_status(match: Match) -> str:
    assert match.relation is not None
    if match.relation.kind == EXTENDED:
        return "extended"
    if match.relation.kind == PART:
        return "fused" if match.first.count < match.second.count else "split"
    if match.relation.kind == ROTARY:
        return "rotary order"
    if match.relation.kind == TRANSPOSED:
        return "transposed"
    return "equal" if match.first.name == match.second.name else "renamed"
