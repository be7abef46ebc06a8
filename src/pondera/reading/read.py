"""A whole file of weights: figures of its tensors, of its layers, and what is wrong with it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pondera.choice import counted
from pondera.findings import Finding
from pondera.markup import STYLE, escaped, table
from pondera.reading.bandwidth import bandwidth_of
from pondera.reading.faults.facts import Facts
from pondera.reading.faults.rules import findings_of
from pondera.reading.norms import norms_of
from pondera.reading.spectrum.spectrum import Spectrum, spectra_of
from pondera.reading.statistics import QUANTILES, Statistics, statistics_of_all
from pondera.reading.units.units import Units, units_of
from pondera.weights.collection import Weights
from pondera.weights.layers import Layer, is_constant
from pondera.weights.naming.assembly import layers_of
from pondera.weights.open import weights_of
from pondera.weights.tensor import Array, Tensor

SHOWN = 40  # layers that a notebook shows

Progress = Callable[[str, int, int, str], None]
"""Is told what is being done, how many bytes of it are done, of how many, and what came of the last of them."""


@dataclass(frozen=True)
class LayerFigures:
    """A layer and what its weights say by themselves.

    Attributes
    ----------
    layer
        Its tensors, and which axis is which.
    count
        How many values its tensors have.
    units
        Role -> connection strengths, for the roles that connect.
    spectra
        Role -> spectrum, where spectra were asked for.
    """

    layer: Layer
    count: int
    units: Mapping[str, Units]
    spectra: Mapping[str, Spectrum]

    @property
    def strength(self) -> float | None:
        """The root mean square, over output units, of √Σ w²; None where nothing connects."""
        return self.units["weight"].strength if "weight" in self.units else None

    def to_json(self) -> dict[str, Any]:
        """Return the layer as plain values."""
        layer = self.layer
        found: dict[str, Any] = {
            "name": layer.name,
            "kind": layer.kind,
            "scheme": layer.scheme,
            "inputs": layer.inputs,
            "outputs": layer.outputs,
            "count": self.count,
            "tensors": dict(layer.tensors),
            "axes": {role: list(axes) for role, axes in layer.axes.items()},
            "parts": [list(part) for part in layer.parts],
            "strength": plain(self.strength),
            "factor": layer.factor,
            "units": {role: units.to_json() for role, units in self.units.items()},
        }
        if self.spectra:
            found["spectra"] = {role: spectrum.to_json() for role, spectrum in self.spectra.items()}
            found |= found["spectra"].get("weight", {})
        return found


@dataclass(frozen=True)
class Reading:
    """What the weights in a file say.

    Attributes
    ----------
    weights
        What was read.
    statistics
        Name of a tensor -> its figures; tensors of complex numbers have none.
    layers
        Every tensor is in one of them, but for the constants of an ONNX graph.
    findings
        What is wrong or worth knowing, the gravest first.
    seconds
        How long all of it took.
    pass_seconds
        How long the pass over the bytes took, in which the statistics came.
    bandwidth
        10⁹ bytes a second that a plain sum over bytes of the file reached; None where it was not measured.
    norms
        Name of a tensor of two axes or more -> √Σ w² of its rows and of its columns, where they were asked for.
    """

    weights: Weights
    statistics: Mapping[str, Statistics]
    layers: tuple[LayerFigures, ...]
    findings: tuple[Finding, ...]
    seconds: float
    pass_seconds: float
    bandwidth: float | None = None
    norms: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)

    @property
    def gigabytes_per_second(self) -> float:
        """How many 10⁹ bytes the pass read a second."""
        read = sum(self.weights[name].nbytes for name in self.statistics)
        return read / 1e9 / max(self.pass_seconds, 1e-9)

    @property
    def constants(self) -> int:
        """How many tensors belong to no layer: shapes, axes and factors that an ONNX graph reckons with."""
        return len(self.weights) - sum(len(each.layer.tensors) for each in self.layers)

    def __repr__(self) -> str:
        found = counted(len(self.findings), "finding")
        return f"<Reading of {self.weights!r}: {counted(len(self.layers), 'layer')}, {found}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what is wrong, and the layers that connect, the largest first."""
        said = "".join(f"<p><b>{escaped(each.statement)}</b> {escaped(each.advice)}</p>" for each in self.findings)
        connecting = sorted((each for each in self.layers if each.strength is not None), key=lambda each: -each.count)
        rows = [
            [each.layer.name, each.layer.kind, each.layer.inputs, each.layer.outputs, f"{each.strength:.4g}"]
            for each in connecting[:SHOWN]
        ]
        more = f"<p>and {len(connecting) - SHOWN:,} smaller ones</p>" if len(connecting) > SHOWN else ""
        head = ["layer", "kind", "inputs", "outputs", "strength"]
        return f"<style>{STYLE}</style><p>{escaped(repr(self)[1:-1])}</p>{said}{table(head, rows)}{more}"

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; what is not a number becomes None."""
        return {
            "format": self.weights.format,
            "files": [str(path) for path in self.weights.files],
            "skipped": list(self.weights.skipped),
            "bytes": self.weights.nbytes,
            "metadata": dict(self.weights.metadata),
            "tensors": [
                _tensor(tensor, self.statistics.get(name)) | self._norms(name) for name, tensor in self.weights.items()
            ],
            "layers": [each.to_json() for each in self.layers],
            "findings": [finding.to_json() for finding in self.findings],
            "seconds": self.seconds,
            "gigabytes_per_second": self.gigabytes_per_second,
            "bandwidth_gigabytes_per_second": self.bandwidth,
        }

    def _norms(self, name: str) -> dict[str, list[float | None]]:
        if name not in self.norms:
            return {}
        rows, columns = self.norms[name]
        return {"row_norms": [plain(float(n)) for n in rows], "column_norms": [plain(float(n)) for n in columns]}


def read(
    weights: Weights | str | os.PathLike[str],
    *,
    spectrum: bool = False,
    norms: bool = False,
    tensor: str | None = None,
    doubtful: bool = False,
    progress: Progress | None = None,
) -> Reading:
    """Return what weights say by themselves.

    The bytes are passed over once for the statistics of every tensor, and once more, where layers connect inputs to
    outputs, for their connection strengths. Memory stays small however large the file is; spectra hold one matrix.

    Parameters
    ----------
    weights
        Or the path of a file of them, or of a folder.
    spectrum
        Whether to look at singular values too, which takes longer.
    norms
        Whether to take √Σ w² of the rows and columns of every tensor too: see :func:`~pondera.reading.norms.norms_of`.
    tensor
        Only tensors whose names match this, such as ``"*.weight"``, are looked at. What layers they are in, all of the
        file tells.
    doubtful
        Whether findings are listed, too, of rules that healthy files trip often.
    progress
        Is told what is being done, how many bytes of it are done, of how many, and what came of the last of them.

    Raises
    ------
    ModelFileError
        If the file cannot be read.
    ArgumentError
        If no tensor matches.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/w.npz", **{"fc.weight": np.eye(2, 3), "fc.bias": np.zeros(2)})
    ...     found = read(f"{folder}/w.npz")
    >>> found.statistics["fc.weight"].mean, [(each.layer.kind, each.strength) for each in found.layers]
    (0.3333333333333333, [('dense', 1.0)])
    """
    begun = time.perf_counter()
    whole = weights_of(weights)
    opened = whole if tensor is None else whole.select(tensor)
    show = progress or (lambda what, done, of, latest: None)
    opened_at = time.perf_counter()
    statistics = _statistics(opened, show)
    passed = time.perf_counter() - opened_at
    known = layers_of(whole)
    layers = [part for layer in known if (part := _within(layer, opened))]
    units = _units(opened, layers, show)
    spectra = _spectra(opened, layers, show) if spectrum else {}
    figures = tuple(
        LayerFigures(
            layer,
            sum(opened[name].count for name in layer.tensors.values()),
            units.get(layer.name, {}),
            spectra.get(layer.name, {}),
        )
        for layer in layers
        if not is_constant(layer, opened)
    )
    main = {name: roles["weight"] for name, roles in units.items() if "weight" in roles}
    main_spectra = {name: roles["weight"] for name, roles in spectra.items() if "weight" in roles}
    facts = Facts(opened, statistics, known, main, main_spectra)
    found = Reading(
        opened,
        statistics,
        figures,
        findings_of(facts, doubtful),
        time.perf_counter() - begun,
        passed,
        bandwidth_of(opened),
        {name: norms_of(opened[name]) for name in statistics if opened[name].ndim > 1} if norms else {},
    )
    whole.require_whole()
    return found


def _within(layer: Layer, weights: Weights) -> Layer | None:
    """Return a layer with those of its tensors only that are among some; None without any."""
    kept = {role: name for role, name in layer.tensors.items() if name in weights}
    if len(kept) == len(layer.tensors):
        return layer
    axes = {role: each for role, each in layer.axes.items() if role in kept}
    return replace(layer, tensors=kept, axes=axes) if kept else None


def _statistics(weights: Weights, show: Progress) -> dict[str, Statistics]:
    found, done, whole = {}, 0, weights.nbytes
    for name, figures in statistics_of_all(weights):
        found[name] = figures
        done += weights[name].nbytes
        latest = f"{name}: {figures.mean:.3g} ± {figures.deviation:.3g}, {figures.minimum:.3g} … {figures.maximum:.3g}"
        broken = figures.nan + figures.infinite
        show("values", done, whole, f"{latest}, {broken:,} not finite" if broken else latest)
    return found


def _units(weights: Weights, layers: Sequence[Layer], show: Progress) -> dict[str, dict[str, Units]]:
    connecting = [layer for layer in layers if layer.connects]
    whole = sum(weights[layer.tensors[role]].nbytes for layer in connecting for role in layer.axes)
    found: dict[str, dict[str, Units]] = {}
    done = 0
    for layer in connecting:
        for role in layer.axes:
            found.setdefault(layer.name, {})[role] = units_of(layer, weights, role)
            done += weights[layer.tensors[role]].nbytes
            show("connections", done, whole, f"{layer.name}: strength {found[layer.name][role].strength:.3g}")
    return found


def _spectra(weights: Weights, layers: Sequence[Layer], show: Progress) -> dict[str, dict[str, Spectrum]]:
    roles = [(layer, role) for layer in layers if layer.connects for role in layer.axes]
    sizes = [weights[layer.tensors[role]].nbytes for layer, role in roles]
    found: dict[str, dict[str, Spectrum]] = {}
    done = 0
    spectra = spectra_of(layer.matrix(weights, role) for layer, role in roles)
    for (layer, role), size, spectrum in zip(roles, sizes, spectra, strict=True):
        found.setdefault(layer.name, {})[role] = spectrum
        done += size
        largest = "–" if spectrum.spectral_norm is None else f"{spectrum.spectral_norm:.3g}"
        show("spectra", done, sum(sizes), f"{layer.name}: largest {largest}")
    return found


def plain(value: float | None) -> float | None:
    """Return a number that JSON can hold, or None."""
    return value if value is not None and math.isfinite(value) else None


def _tensor(tensor: Tensor, figures: Statistics | None) -> dict[str, Any]:
    known = {"name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype, "count": tensor.count}
    if figures is None:
        return known
    return known | {
        "min": plain(figures.minimum),
        "max": plain(figures.maximum),
        "mean": plain(figures.mean),
        "std": plain(figures.deviation),
        "norm": plain(figures.l2),
        "l1": plain(figures.l1),
        "linf": plain(figures.linf),
        "zeros": figures.zeros,
        "denormals": figures.denormals,
        "nan": figures.nan,
        "inf": figures.infinite,
        "places": [list(place) for place in figures.places],
        "skewness": plain(figures.skewness),
        "kurtosis": plain(figures.kurtosis),
        "quantiles": {f"{q:g}": plain(figures.quantile(q)) for q in QUANTILES},
        "quantiles_of": figures.sampled,
    }
