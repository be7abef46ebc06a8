"""Networks of the zoo: trained for a second each, from many starts, on many tables, in many ways.

Two halves that share nothing but the code: other tables, widths, depths, activations, starts, optimizers and seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from pondera.weights.collection import Weights
from pondera.weights.layers import INPUTS, KERNEL, OUTPUTS, Layer
from pondera.weights.tensor import Array, Mapped, Tensor

DENSE, CONVOLUTION = (INPUTS, OUTPUTS), (OUTPUTS, INPUTS, KERNEL, KERNEL)
CONVOLUTION_1D = CONVOLUTION[:3]


@dataclass(frozen=True)
class Specimen:
    """A network of the zoo: its arrays by name, its layers, the arrays as training began, and those never learned."""

    name: str
    arrays: Mapping[str, Array]
    layers: tuple[Layer, ...]
    starts: Mapping[str, Array] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    chain: bool = False
    computed: frozenset[str] = frozenset()

    def weights(self) -> Weights:
        """Return the arrays as if they came from a file."""
        tensors = []
        for name, array in self.arrays.items():
            flat = np.ascontiguousarray(array).reshape(-1)
            source = Mapped(flat.view(np.uint8).data, 0, flat.dtype, flat.size)
            tensors.append(Tensor(name, array.shape, flat.dtype.name, source))
        return Weights.of(tensors, "zoo", metadata=self.metadata)

    def matrices(self, fewest: int = 1) -> list[str]:
        """Return the names of the tensors of connections that were learned, with at least so many values."""
        names = [layer.tensors[role] for layer in self.layers for role in layer.axes]
        return [name for name in names if self.arrays[name].size >= fewest and name not in self.computed]

    def changed(self, **arrays: Array) -> Specimen:
        """Return the network with other arrays; a dot in a name is written as two underscores."""
        return replace(self, arrays={**self.arrays, **{k.replace("__", "."): v for k, v in arrays.items()}})


class Half(NamedTuple):
    """What the networks of one half are made of."""

    seed: int
    tables: tuple[str, ...]
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    activations: tuple[str, ...]
    starts: tuple[str, ...]
    optimizers: tuple[tuple[str, float], ...]


CHOSEN_ON = Half(
    1,
    ("digits", "diabetes", "teacher", "counts"),
    (24, 48, 96, 160, 256),
    (1, 2, 3, 5),
    ("relu", "tanh", "gelu"),
    ("he_normal", "glorot_uniform", "torch", "truncated_lecun", "orthogonal", "normal_0.02"),
    (("adam", 1e-3), ("momentum", 1e-2), ("adamw", 2e-3)),
)
HELD_OUT = Half(
    2,
    ("breast_cancer", "wine", "digits_parity", "teacher_wide", "categories"),
    (32, 64, 128, 200, 320),
    (2, 4, 6),
    ("relu", "silu", "selu", "leaky_relu", "elu"),
    ("lecun_normal", "he_uniform", "glorot_normal", "torch", "truncated_he", "orthogonal", "normal_0.05"),
    (("adam", 2e-3), ("nesterov", 1e-2), ("rmsprop", 1e-3), ("adamw", 1e-3), ("lion", 3e-4)),
)


def rows_of(table: str, seed: int) -> tuple[Array, Array, int]:
    """Return inputs (rows, n) of scale 1, targets, and the number of classes (0: a number)."""
    random = np.random.default_rng(seed)
    if table in ("digits", "digits_parity", "breast_cancer", "wine", "diabetes"):
        import sklearn.datasets

        found = getattr(sklearn.datasets, f"load_{table.split('_parity')[0]}")()
        x, y = found.data.astype(np.float32), found.target
        x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)
        if table == "diabetes":
            return x, ((y - y.mean()) / y.std()).astype(np.float32), 0
        y = y % 2 if table == "digits_parity" else y
        return x, y.astype(np.int32), int(y.max()) + 1
    inputs = {"teacher": 20, "teacher_wide": 100, "counts": 40, "categories": 60}[table]
    x = random.standard_normal((1500, inputs)).astype(np.float32)
    if table == "counts":
        x = np.log1p(random.poisson(0.5, x.shape)).astype(np.float32)
    if table == "categories":  # one of sixty, some of them rare or never there: their weights never move
        shares = 1 / np.arange(1, 46) ** 1.2
        x = np.eye(60, dtype=np.float32)[random.choice(45, 1500, p=shares / shares.sum())]
    hidden = np.tanh(x @ random.standard_normal((inputs, 8)).astype(np.float32) / 2)
    score = hidden @ random.standard_normal((8, 5)).astype(np.float32)
    if table in ("teacher", "counts"):
        return x, (score[:, 0] + 0.1 * random.standard_normal(1500)).astype(np.float32), 0
    return x, score.argmax(1).astype(np.int32), 5


def start(kind: str, shape: tuple[int, ...], into: int, out: int, random: np.random.Generator) -> Array:
    """Return initial weights as frameworks draw them, float32."""
    if kind == "torch":
        found = random.uniform(-1, 1, shape) / math.sqrt(into)
    elif kind.startswith("truncated"):
        found = random.standard_normal(shape)
        while (beyond := np.abs(found) > 2).any():
            found[beyond] = random.standard_normal(int(beyond.sum()))
        found *= math.sqrt((2 if kind.endswith("he") else 1) / into) / 0.87962566103423978
    elif kind.startswith("normal_"):
        found = float(kind.removeprefix("normal_")) * random.standard_normal(shape)
    elif kind == "orthogonal":
        rows, columns = shape[0], math.prod(shape[1:])
        q, r = np.linalg.qr(random.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        found = (q if rows >= columns else q.T).reshape(shape)
    else:
        variance = {"he": 2 / into, "lecun": 1 / into, "glorot": 2 / (into + out)}[kind.split("_")[0]]
        unit = math.sqrt(variance)
        uniform = kind.endswith("uniform")
        found = random.uniform(-1, 1, shape) * unit * math.sqrt(3) if uniform else unit * random.standard_normal(shape)
    return found.astype(np.float32)


def plan_of(half: Half, random: np.random.Generator, classes: int) -> Any:
    """Return a way to train; one network in seven is trained very little."""
    import pondera

    name, rate = half.optimizers[random.integers(len(half.optimizers))]
    little = random.random() < 1 / 7
    return pondera.Plan(
        loss="softmax_cross_entropy" if classes else "squared_error",
        optimizer=name,
        learning_rate=float(rate * random.choice([0.5, 1, 2]) * (0.2 if little else 1)),
        epochs=int(3 if little else random.choice([20, 40, 60])),
        batch_size=int(random.choice([32, 64, 128])),
        weight_decay=float(random.choice([0, 0, 0.01, 0.1])),
        seed=int(random.integers(1 << 30)),
    )


def mlps(half: Half, count: int, gain: float = 1.0, deep: bool = False) -> Iterator[Specimen]:
    """Yield multilayer perceptrons; with a gain that is not 1 a start that is that much too large, not trained."""
    import pondera
    from pondera.network.dense import Dense
    from pondera.network.normalization import LayerNorm

    random = np.random.default_rng([half.seed, count, int(gain * 1000)])
    for number in range(count):
        table = half.tables[number % len(half.tables)]
        x, y, classes = rows_of(table, half.seed)
        width = int(random.choice(half.widths[:3] if deep else half.widths))
        depth = int(random.choice([6, 8, 10]) if deep else random.choice(half.depths))
        # A start of one small scale for all widths is for networks with normalization; deep ones without do not learn.
        starts_of = [kind for kind in half.starts if depth < 3 or not kind.startswith("normal_")]
        kind = starts_of[random.integers(len(starts_of))]
        activation = half.activations[random.integers(len(half.activations))]
        normal = not deep and random.random() < 0.25
        plain: list[Any] = []
        for _ in range(depth):
            plain += [Dense(width, activation), LayerNorm()] if normal else [Dense(width, activation)]
        network = pondera.Network.create(x.shape[1], [*plain, Dense(classes or 1)])
        starts = {}
        for name, array in network.weights.items():
            if array.ndim == 2:
                starts[name] = gain * start(kind, array.shape, *array.shape, random)
            elif kind == "torch" and name.endswith("bias") and not _is_normal(network, name):
                into = network.weights[name.replace("bias", "weight")].shape[0]
                starts[name] = start("torch", array.shape, into, 1, random)
            else:
                starts[name] = np.array(array)
        plan = plan_of(half, random, classes)
        plan = plan if gain == 1 else plan.replace(epochs=0)
        fitted = pondera.fit(network.with_weights(starts), x, y, plan)
        label = f"mlp {table} {kind} {width}x{depth} {activation} {plan.optimizer.name} {plan.peak:g} x{plan.epochs}"
        arrays = {name: np.array(array) for name, array in fitted.network.weights.items()}
        yield Specimen(label, arrays, tuple(_dense_layers(arrays)), starts, chain=not normal)


def _is_normal(network: Any, name: str) -> bool:
    return name.replace("bias", "gain") in network.weights


def _dense_layers(arrays: Mapping[str, Array]) -> Iterator[Layer]:
    for name, array in arrays.items():
        layer, _, role = name.rpartition(".")
        bias = {"bias": f"{layer}.bias"} if f"{layer}.bias" in arrays else {}
        if role == "weight":
            inputs, outputs = array.shape
            yield Layer(layer, "dense", {"weight": name, **bias}, {"weight": DENSE}, inputs, outputs)
        elif role == "gain":
            yield Layer(layer, "normalization", {"weight": name, **bias}, {}, len(array), len(array))


class Slot(NamedTuple):
    """A layer of a network that is written out here: its kind, and the shape and axes of its weights."""

    kind: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    bias: bool = True


def _drawn(slots: Mapping[str, Slot], kind: str, random: np.random.Generator) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for name, slot in slots.items():
        if slot.kind == "normalization":
            arrays[f"{name}.weight"] = np.ones(slot.shape, np.float32)
        else:
            by = dict.fromkeys((OUTPUTS, INPUTS, KERNEL), 1)
            for length, axis in zip(slot.shape, slot.axes, strict=True):
                by[axis] *= length
            into, out = by[INPUTS] * by[KERNEL], by[OUTPUTS] * by[KERNEL]
            own = "normal_0.02" if slot.kind == "embedding" else kind
            arrays[f"{name}.weight"] = start(own, slot.shape, into, out, random)
        if slot.bias:
            length = slot.shape[slot.axes.index(OUTPUTS)] if slot.axes else slot.shape[0]
            torch = kind == "torch" and slot.axes
            drawn = start("torch", (length,), into, 1, random) if torch else np.zeros(length, np.float32)
            arrays[f"{name}.bias"] = drawn
    return arrays


def _layers(slots: Mapping[str, Slot]) -> tuple[Layer, ...]:
    found = []
    for name, slot in slots.items():
        tensors = {"weight": f"{name}.weight", **({"bias": f"{name}.bias"} if slot.bias else {})}
        sizes = dict(zip(slot.axes, slot.shape, strict=False))
        axes = {"weight": slot.axes} if slot.axes else {}
        found.append(Layer(name, slot.kind, tensors, axes, sizes.get(INPUTS), sizes.get(OUTPUTS)))
    return tuple(found)


def _trained(
    half: Half, slots: Mapping[str, Slot], apply: Callable[[Any, Any], Any], rows: Any, random: Any, label: str
) -> Specimen:
    import pondera

    x, y, classes = rows
    kind = str(random.choice([k for k in half.starts if k != "orthogonal"]))
    starts = _drawn(slots, kind, random)
    plan = plan_of(half, random, classes)
    plan = plan.replace(epochs=min(plan.epochs, 15))
    fitted = pondera.fit(apply, x, y, plan, weights=starts)
    arrays = {name: np.array(array) for name, array in fitted.weights.items()}
    return Specimen(
        f"{label} {kind} {plan.optimizer.name} {plan.peak:g} x{plan.epochs}", arrays, _layers(slots), starts
    )


def cnns(half: Half, count: int) -> Iterator[Specimen]:
    """Yield small convolutional networks for the digits, with and without strides."""
    import jax
    import jax.numpy as jnp

    random = np.random.default_rng([half.seed, 7])
    x, y, classes = rows_of("digits" if half.seed == 1 else "digits_parity", 0)
    for _ in range(count):
        a, b = (int(n) for n in random.choice(half.widths[:3], 2) // 2)
        slots = {
            "conv1": Slot("convolution", (a, 1, 3, 3), CONVOLUTION),
            "conv2": Slot("convolution", (b, a, 3, 3), CONVOLUTION),
            "conv3": Slot("convolution", (b, b, 3, 3), CONVOLUTION, bias=bool(random.integers(2))),
            "fc": Slot("dense", (b * 4, classes), DENSE),
        }

        def apply(weights: Any, rows: Any) -> Any:
            h = rows.reshape(-1, 1, 8, 8)
            for name, step in (("conv1", 1), ("conv2", 2), ("conv3", 2)):
                h = jax.lax.conv_general_dilated(h, weights[f"{name}.weight"], (step, step), "SAME")
                if f"{name}.bias" in weights:
                    h = h + weights[f"{name}.bias"][:, None, None]
                h = jax.nn.relu(h)
            return jnp.reshape(h, (len(rows), -1)) @ weights["fc.weight"] + weights["fc.bias"]

        yield _trained(half, slots, apply, (x, y, classes), random, f"cnn {a}-{b}")


def detectors(half: Half, count: int) -> Iterator[Specimen]:
    """Yield networks that hear a tone in noise: a fixed short-time Fourier basis, convolutions, a recurrent cell."""
    import jax
    import jax.numpy as jnp

    random = np.random.default_rng([half.seed, 9])
    for _ in range(count):
        window, frames = int(random.choice([16, 32])), 8
        turns = np.outer(np.arange(window // 2 + 1), np.arange(window)) / window
        waves = np.concatenate([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)]) * np.hanning(window)
        y = random.integers(2, size=800)
        tones = np.sin(2 * np.pi * np.arange(window * frames) / window * random.integers(1, 5, 800)[:, None])
        x = random.standard_normal((800, window * frames)) + 1.5 * y[:, None] * tones
        a, b = (int(n) for n in random.choice(half.widths[:3], 2))
        slots = {
            "stft.basis": Slot("convolution", (window + 2, 1, window), CONVOLUTION_1D, bias=False),
            "conv1": Slot("convolution", (a, window // 2 + 1, 3), CONVOLUTION_1D),
            "conv2": Slot("convolution", (b, a, 3), CONVOLUTION_1D),
            "conv3": Slot("convolution", (b, b, 3), CONVOLUTION_1D),
            "conv4": Slot("convolution", (a, b, 3), CONVOLUTION_1D),
            "cell.input": Slot("recurrent", (a, a), DENSE),
            "cell.state": Slot("recurrent", (a, a), DENSE, bias=False),
            "final": Slot("convolution", (2, a, 1), CONVOLUTION_1D),
        }
        basis = waves[:, None].astype(np.float32)

        def apply(w: Any, rows: Any, basis: Array = basis, window: int = window) -> Any:
            found = jax.lax.conv_general_dilated(rows[:, None], basis, (window // 2,), "VALID")
            h = jnp.sqrt(found[:, : window // 2 + 1] ** 2 + found[:, window // 2 + 1 :] ** 2 + 1e-6)
            for number in range(1, 5):
                h = jax.lax.conv_general_dilated(h, w[f"conv{number}.weight"], (1,), "SAME")
                h = jax.nn.relu(h + w[f"conv{number}.bias"][:, None])
            state = jnp.zeros((len(rows), h.shape[1]))
            for at in range(h.shape[2]):
                state = jnp.tanh(
                    h[:, :, at] @ w["cell.input.weight"] + w["cell.input.bias"] + state @ w["cell.state.weight"]
                )
            return state @ w["final.weight"][:, :, 0].T + w["final.bias"]

        found = _trained(half, slots, apply, (x.astype(np.float32), y.astype(np.int32), 2), random, f"detector {a}-{b}")
        name = "stft.basis.weight"
        yield replace(found, arrays={**found.arrays, name: basis}, computed=frozenset({name}))


def transformers(half: Half, count: int) -> Iterator[Specimen]:
    """Yield small transformers that sort sequences of tokens, most of which are rare."""
    import jax
    import jax.numpy as jnp

    random = np.random.default_rng([half.seed, 8])
    for _ in range(count):
        d, blocks, vocabulary = int(random.choice(half.widths[:3])), int(random.choice([1, 2, 3])), 400
        shares = 1 / np.arange(1, vocabulary + 1)
        x = random.choice(vocabulary, (1200, 8), p=shares / shares.sum()).astype(np.float32)
        worth = random.standard_normal((vocabulary, 4))
        y = (worth[x.astype(int)] * np.linspace(1, 2, 8)[:, None]).sum(1).argmax(1).astype(np.int32)
        slots = {"tokens": Slot("embedding", (vocabulary, d), (INPUTS, OUTPUTS), bias=False)}
        biased = bool(random.integers(2))
        for i in range(blocks):
            slots[f"block.{i}.norm1"] = Slot("normalization", (d,), ())
            for part in ("query", "key", "value", "output"):
                slots[f"block.{i}.{part}"] = Slot(f"attention {part}", (d, d), DENSE, biased)
            slots[f"block.{i}.norm2"] = Slot("normalization", (d,), ())
            slots[f"block.{i}.up"] = Slot("dense", (d, 4 * d), DENSE, biased)
            slots[f"block.{i}.down"] = Slot("dense", (4 * d, d), DENSE, biased)
        slots["head"] = Slot("dense", (d, 4), DENSE)

        def linear(w: Any, name: str, h: Any) -> Any:
            out = h @ w[f"{name}.weight"]
            return out + w[f"{name}.bias"] if f"{name}.bias" in w else out

        def norm(w: Any, name: str, h: Any) -> Any:
            h = h - h.mean(-1, keepdims=True)
            return h * jax.lax.rsqrt((h * h).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

        def apply(w: Any, rows: Any, blocks: int = blocks, d: int = d) -> Any:
            h = w["tokens.weight"][rows.astype(int)]
            for i in range(blocks):
                z = norm(w, f"block.{i}.norm1", h)
                q, k, v = (linear(w, f"block.{i}.{part}", z) for part in ("query", "key", "value"))
                attention = jax.nn.softmax(q @ jnp.swapaxes(k, 1, 2) / math.sqrt(d))
                h = h + linear(w, f"block.{i}.output", attention @ v)
                h = h + linear(
                    w, f"block.{i}.down", jax.nn.gelu(linear(w, f"block.{i}.up", norm(w, f"block.{i}.norm2", h)))
                )
            return linear(w, "head", h.mean(1))

        yield _trained(half, slots, apply, (x, y, 4), random, f"transformer {d}x{blocks}")
