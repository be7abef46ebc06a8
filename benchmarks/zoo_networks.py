"""Networks of the zoo: trained for a second each, from many starts, on many tasks, in many ways.

Each comes out as the tensors of a file, under the names and in the layout of a framework. What layers they are,
:func:`pondera.read` has to tell by itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from benchmarks.zoo_parts import Part
from benchmarks.zoo_tasks import TABLES, Task
from pondera.weights.layers import INPUTS, KERNEL, OUTPUTS
from pondera.weights.tensor import Array

Random = np.random.Generator
Apply = Callable[..., Any]

DENSE = (OUTPUTS, INPUTS)
CONVOLUTION = (OUTPUTS, INPUTS, KERNEL, KERNEL)
CONVOLUTION_1D = CONVOLUTION[:3]
ORDER = (KERNEL, INPUTS, OUTPUTS)
"""How Keras and Flax lay axes out: PyTorch has outputs first, and kernels last."""


@dataclass(frozen=True)
class Specimen:
    """A network of the zoo.

    Attributes
    ----------
    name
        How it was made.
    arrays
        The tensors of its file.
    starts
        What they were when training began, where that was a standard start.
    axes
        Name of a matrix of connections that was learned -> its axes.
    biases
        Name of such a matrix -> its bias.
    tokens
        Those that are embeddings, or output layers of their shape.
    kinds
        Name of a layer -> its kind: ``"dense"``, ``"convolution"``, ``"embedding"``, ``"normalization"``, ``"factor"``.
    chain
        Whether its layers follow each other without normalization.
    """

    name: str
    arrays: Mapping[str, Array]
    starts: Mapping[str, Array]
    axes: Mapping[str, tuple[str, ...]]
    biases: Mapping[str, str]
    tokens: frozenset[str] = frozenset()
    kinds: Mapping[str, str] = field(default_factory=dict)
    chain: bool = False

    def matrices(self, fewest: int = 1) -> list[str]:
        """Return the names of the floats of connections that were learned, with at least so many values."""
        return [name for name in self.axes if self.arrays[name].size >= fewest and is_float(self.arrays[name])]

    def changed(self, arrays: Mapping[str, Array]) -> Specimen:
        """Return the network with other arrays in the place of some, or besides."""
        return replace(self, arrays={**self.arrays, **arrays})


def is_float(array: Array) -> bool:
    """Whether an array holds floats."""
    return "float" in array.dtype.name


class Slot(NamedTuple):
    """A layer: its kind, the shape and axes of its weights, whether it has a bias, and the start if it has its own."""

    kind: str
    shape: tuple[int, ...]
    axes: tuple[str, ...] = ()
    bias: bool = True
    start: str = ""


def start(kind: str, shape: tuple[int, ...], into: int, out: int, random: Random) -> Array:
    """Return initial weights as frameworks draw them, float32."""
    name, _, form = kind.partition("_")
    if kind == "zeros":
        return np.zeros(shape, np.float32)
    if kind == "torch":
        found = random.uniform(-1, 1, shape) / math.sqrt(into)
    elif name == "siren":
        found = random.uniform(-1, 1, shape) * (math.sqrt(6 / into) / float(form) if form else 1 / into)
    elif name == "truncated":
        found = random.standard_normal(shape)
        while (beyond := np.abs(found) > 2).any():
            found[beyond] = random.standard_normal(int(beyond.sum()))
        variance = {"he": 2 / into, "lecun": 1 / into, "glorot": 2 / (into + out)}[form]
        found *= math.sqrt(variance) / 0.87962566103423978
    elif name == "normal":
        found = float(form) * random.standard_normal(shape)
    elif name == "orthogonal":
        rows, columns = shape[0], math.prod(shape[1:])
        q, r = np.linalg.qr(random.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r)) * math.sqrt(float(form or 1))
        found = (q if rows >= columns else q.T).reshape(shape)
    else:
        variance = {"he": 2 / (out if "out" in form else into), "lecun": 1 / into, "glorot": 2 / (into + out)}[name]
        unit = math.sqrt(variance) * (5 / 3 if "53" in form else 1)
        uniform = form == "uniform"
        found = random.uniform(-1, 1, shape) * unit * math.sqrt(3) if uniform else unit * random.standard_normal(shape)
    return found.astype(np.float32)


def drawn(slots: Mapping[str, Slot], kind: str, random: Random, gain: float = 1.0) -> dict[str, Array]:
    """Return what training begins with."""
    arrays: dict[str, Array] = {}
    for name, slot in slots.items():
        if slot.kind in ("normalization", "factor"):
            arrays[f"{name}.weight"] = np.full(slot.shape, float(slot.start or 1), np.float32)
        else:
            by = {axis: math.prod(n for n, a in zip(slot.shape, slot.axes, strict=True) if a == axis) for axis in ORDER}
            into, out = by[INPUTS] * by[KERNEL], by[OUTPUTS] * by[KERNEL]
            arrays[f"{name}.weight"] = np.float32(gain) * start(slot.start or kind, slot.shape, into, out, random)
        if slot.bias:
            length = slot.shape[0]
            torch = kind == "torch" and slot.axes and not slot.start
            bias = start("torch", (length,), into, 1, random) if torch else np.zeros(length, np.float32)
            arrays[f"{name}.bias"] = bias
    return arrays


def plan_of(part: Part, random: Random, classes: int, most: int) -> tuple[Any, str]:
    """Return a way to train, and what it is called; one network in seven is trained very little."""
    import pondera

    name, optimizer, rate = part.optimizers[random.integers(len(part.optimizers))]
    little = random.random() < 1 / 7
    rate = float(rate * random.choice([0.5, 1, 2]) * (0.2 if little else 1))
    epochs = int(3 if little else min(random.choice([20, 40, 60]), most))
    decay = float(random.choice([0, 0, 0.01, 0.1])) if isinstance(optimizer, str) else None
    plan = pondera.Plan(
        loss="softmax_cross_entropy" if classes else "squared_error",
        optimizer=optimizer,
        learning_rate=rate,
        epochs=epochs,
        batch_size=int(random.choice([32, 64, 128])),
        weight_decay=decay,
        seed=int(random.integers(1 << 30)),
    )
    return plan, f"{name} {rate:g} x{epochs}"


class Trained(NamedTuple):
    """A network before it is put under the names of a framework."""

    slots: Mapping[str, Slot]
    starts: dict[str, Array]
    arrays: dict[str, Array]
    label: str


def trained(
    part: Part, slots: Mapping[str, Slot], apply: Apply, task: Task, random: Random, label: str, **more: Any
) -> Trained:
    """Train a network from a start of the part; ``gain`` not 1 leaves it as it starts."""
    import pondera

    fits = [kind for kind in part.starts if more.get("any_start") or not kind.startswith(("normal", "orthogonal"))]
    kind, gain = str(random.choice(fits)), more.get("gain", 1.0)
    starts = drawn(slots, kind, random, gain)
    plan, how = plan_of(part, random, task.classes, more.get("most", 15))
    if gain != 1:
        return Trained(slots, starts, dict(starts), f"{label} {kind} times {gain:g}, not trained")
    fitted = pondera.fit(apply, task.x, task.y, plan, weights=starts)
    arrays = {name: np.array(array) for name, array in fitted.weights.items()}
    return Trained(slots, starts, arrays, f"{label} {kind} {how}")


PYTORCH, KERAS, FLAX = "PyTorch", "Keras", "Flax"
ROLES: dict[str, dict[str, str]] = {
    KERAS: {
        "dense.weight": "kernel",
        "convolution.weight": "kernel",
        "embedding.weight": "embeddings",
        "normalization.weight": "gamma",
        "normalization.bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    },
    FLAX: {
        "dense.weight": "kernel",
        "convolution.weight": "kernel",
        "embedding.weight": "embedding",
        "normalization.weight": "scale",
        "running_mean": "mean",
        "running_var": "var",
    },
}
"""What frameworks call the tensors of a layer."""


def specimen(found: Trained, style: str, **more: Any) -> Specimen:
    """Return a trained network under the names, and in the layout, of a framework."""
    arrays, starts, axes, biases, kinds = {}, {}, {}, {}, {}
    names: dict[str, str] = {}
    for old, array in found.arrays.items():
        layer, _, role = old.rpartition(".")
        slot = found.slots.get(layer)
        kind = slot.kind if slot else ""
        roles = ROLES.get(style, {})
        called = roles.get(f"{kind}.{role}", roles.get(role, role))
        path = layer if style == PYTORCH else _counted(layer).replace(".", "/")
        name = f"{path}{'.' if style == PYTORCH else '/'}{called}" if layer else called
        order = tuple(range(array.ndim))
        if style != PYTORCH and slot and role == "weight" and kind in ("dense", "convolution"):
            order = tuple(sorted(order, key=lambda at, axes=slot.axes: ORDER.index(axes[at])))  # type: ignore[misc]
        names[old] = name
        arrays[name] = np.ascontiguousarray(np.transpose(array, order))
        if old in found.starts and not (slot and slot.start.startswith("siren")):
            starts[name] = np.ascontiguousarray(np.transpose(found.starts[old], order))
        if slot and slot.axes and role == "weight":
            axes[name] = tuple(slot.axes[at] for at in order)
        kinds[path] = kind
    for old in found.arrays:
        bias = f"{old.rpartition('.')[0]}.bias"
        if names[old] in axes and bias in names:
            biases[names[old]] = names[bias]
    tokens = frozenset(names[f"{name}.weight"] for name, slot in found.slots.items() if slot.kind == "embedding")
    return Specimen(f"{found.label}, {style}'s names", arrays, starts, axes, biases, tokens, kinds, **more)


def _counted(layer: str) -> str:
    """Return the name of a layer as Keras counts: dense, dense_1, dense_2."""
    first, _, number = layer.partition(".")
    return layer if first != "layers" else f"dense_{number}" if int(number) else "dense"


def style_of(random: Random) -> str:
    return str(random.choice([PYTORCH, PYTORCH, KERAS, FLAX]))


def dense(w: Any, name: str, h: Any) -> Any:
    """Return a dense layer's outputs."""
    out = h @ w[f"{name}.weight"].T
    return out + w[f"{name}.bias"] if f"{name}.bias" in w else out


def layer_norm(w: Any, name: str, h: Any) -> Any:
    """Return what layer normalization gives."""
    import jax

    h = h - h.mean(-1, keepdims=True)
    return h * jax.lax.rsqrt((h * h).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def mlps(part: Part, count: int, gain: float = 1.0, deep: bool = False) -> Iterator[Specimen]:
    """Yield multilayer perceptrons; with a gain that is not 1 a start that is that much too large, not trained."""
    from pondera.network.activations import activation

    random = np.random.default_rng([part.seed, 1, deep, int(gain * 1000)])
    for number in range(count):
        table = part.tables[number % len(part.tables)]
        task = TABLES[table](part.seed)
        width = int(random.choice(part.widths[:3] if deep else part.widths))
        depth = int(random.choice(part.deep if deep else part.depths))
        act = str(random.choice(part.activations))
        function, normal = activation(act), not deep and random.random() < 0.25
        sizes = [task.x.shape[1], *[width] * depth, task.classes or 1]
        slots: dict[str, Slot] = {}
        for k, (into, out) in enumerate(itertools.pairwise(sizes)):
            slots[f"layers.{k}"] = Slot("dense", (out, into), DENSE)
            if normal and k < depth:
                slots[f"norms.{k}"] = Slot("normalization", (out,))

        def apply(w: Any, h: Any, depth: int = depth, function: Any = function, normal: bool = normal) -> Any:
            for k in range(depth):
                h = dense(w, f"layers.{k}", h)
                h = function(layer_norm(w, f"norms.{k}", h) if normal else h)
            return dense(w, f"layers.{depth}", h)

        # A start of one scale for all widths is for networks with normalization; deep ones without do not learn.
        found = trained(
            part, slots, apply, task, random, f"mlp {table} {width}x{depth} {act}",
            gain=gain, most=60, any_start=depth < 3 or normal,
        )  # fmt: skip
        yield specimen(found, style_of(random), chain=not normal)


def sirens(part: Part, count: int) -> Iterator[Specimen]:
    """Yield networks of sines (Sitzmann et al. 2020): a factor within each sine makes up for small weights."""
    import jax.numpy as jnp

    random = np.random.default_rng([part.seed, 6])
    for _ in range(count):
        width, depth, omega = int(random.choice(part.widths[:3])), int(random.choice(part.deep)) // 2 + 1, part.omega
        x = random.uniform(-1, 1, (1500, 2))
        y = np.sin(x @ random.standard_normal((2, 5)) * 4) @ random.standard_normal(5)
        task = Task(x.astype(np.float32), ((y - y.mean()) / y.std()).astype(np.float32), 0)
        sizes = [2, *[width] * depth, 1]
        slots = {
            f"layers.{k}": Slot("dense", (out, into), DENSE, start=f"siren_{omega}" if k else "siren")
            for k, (into, out) in enumerate(itertools.pairwise(sizes))
        }

        def apply(w: Any, h: Any, depth: int = depth, omega: float = omega) -> Any:
            for k in range(depth):
                h = jnp.sin(omega * dense(w, f"layers.{k}", h))
            return dense(w, f"layers.{depth}", h)

        found = trained(part, slots, apply, task, random, f"siren {width}x{depth}", most=40)
        yield specimen(found, style_of(random), chain=True)


def cnns(part: Part, count: int) -> Iterator[Specimen]:
    """Yield convolutional networks: plain, with batch normalization, depthwise, with a branch that starts at zero."""
    import jax

    random = np.random.default_rng([part.seed, 2])
    task = part.images(random)
    task = task._replace(x=task.x[:1000], y=task.y[:1000])
    for number in range(count):
        form = ("plain", "batch norm", "depthwise", "zero branch")[number % 4]
        a, b = (int(n) for n in random.choice(part.widths[:3], 2) // 2)
        normal = form in ("batch norm", "depthwise")
        slots = {
            "conv1": Slot("convolution", (a, 1, 3, 3), CONVOLUTION, not normal),
            "conv2": Slot("convolution", (b, a, 3, 3), CONVOLUTION, not normal),
            "conv3": Slot("convolution", (b, b, 3, 3), CONVOLUTION, bool(random.integers(2)) and not normal),
            "fc": Slot("dense", (task.classes, b * 4), DENSE),
        }
        if normal:
            slots |= {f"bn{k}": Slot("normalization", (size,)) for k, size in ((1, a), (2, b), (3, b))}
        if form == "depthwise":
            slots["conv2_dw"] = Slot("convolution", (a, 1, 3, 3), CONVOLUTION, False)
            slots["conv2"] = Slot("convolution", (b, a, 1, 1), CONVOLUTION, False)
        if form == "zero branch":
            slots["zero_conv"] = Slot("convolution", (b, b, 1, 1), CONVOLUTION, start="zeros")

        def apply(w: Any, x: Any, form: str = form, kept: dict[str, Any] | None = None) -> Any:
            h = x
            for k, step in ((1, 1), (2, 2), (3, 2)):
                if f"conv{k}_dw.weight" in w:
                    weight = w[f"conv{k}_dw.weight"]
                    h = jax.lax.conv_general_dilated(h, weight, (1, 1), "SAME", feature_group_count=len(weight))
                before = h
                h = jax.lax.conv_general_dilated(h, w[f"conv{k}.weight"], (step, step), "SAME")
                h = h + w[f"conv{k}.bias"][:, None, None] if f"conv{k}.bias" in w else h
                if f"bn{k}.weight" in w:
                    mean, variance = h.mean((0, 2, 3)), h.var((0, 2, 3))
                    if kept is not None:
                        kept |= {f"bn{k}.running_mean": mean, f"bn{k}.running_var": variance}
                    h = (h - mean[:, None, None]) * jax.lax.rsqrt(variance + 1e-5)[:, None, None]
                    h = h * w[f"bn{k}.weight"][:, None, None] + w[f"bn{k}.bias"][:, None, None]
                if k == 3 and form == "zero branch":
                    branch = jax.lax.conv_general_dilated(before, w["zero_conv.weight"], (2, 2), "SAME")
                    h = h + branch + w["zero_conv.bias"][:, None, None]
                h = jax.nn.relu(h)
            n, c, height, width = h.shape
            h = h[:, :, : height // 2 * 2, : width // 2 * 2].reshape(n, c, 2, height // 2, 2, width // 2).mean((3, 5))
            return dense(w, "fc", h.reshape(n, -1))

        found = trained(part, slots, apply, task, random, f"cnn {form} {a}-{b}", most=10)
        kept: dict[str, Any] = {}
        apply(found.arrays, task.x[:256], kept=kept)
        found.arrays.update({name: np.asarray(array, np.float32) for name, array in kept.items()})
        yield specimen(found, PYTORCH if form == "depthwise" else style_of(random))


def detectors(part: Part, count: int) -> Iterator[Specimen]:
    """Yield networks that hear: a fixed basis of waves, convolutions, a recurrent cell."""
    import jax
    import jax.numpy as jnp

    random = np.random.default_rng([part.seed, 3])
    for _ in range(count):
        window, frames = int(random.choice([16, 32])), 8
        basis = part.basis(window)[:, None].astype(np.float32)
        task = part.sounds(random, window, frames)
        a, b = (int(n) for n in random.choice(part.widths[:3], 2))
        slots = {
            "conv1": Slot("convolution", (a, window // 2 + 1, 3), CONVOLUTION_1D),
            "conv2": Slot("convolution", (b, a, 3), CONVOLUTION_1D),
            "conv3": Slot("convolution", (b, b, 3), CONVOLUTION_1D),
            "conv4": Slot("convolution", (a, b, 3), CONVOLUTION_1D),
            "rnn.i2h": Slot("dense", (a, a), DENSE),
            "rnn.h2h": Slot("dense", (a, a), DENSE, bias=False),
            "final": Slot("dense", (task.classes, a), DENSE),
        }

        def apply(w: Any, rows: Any, basis: Array = basis, window: int = window) -> Any:
            found = jax.lax.conv_general_dilated(rows[:, None], basis, (window // 2,), "VALID")
            h = jnp.sqrt(found[:, : window // 2 + 1] ** 2 + found[:, window // 2 + 1 :] ** 2 + 1e-6)
            for k in range(1, 5):
                h = jax.lax.conv_general_dilated(h, w[f"conv{k}.weight"], (1,), "SAME")
                h = jax.nn.relu(h + w[f"conv{k}.bias"][:, None])
            state = jnp.zeros((len(rows), h.shape[1]))
            for at in range(h.shape[2]):
                state = jnp.tanh(dense(w, "rnn.i2h", h[:, :, at]) + dense(w, "rnn.h2h", state))
            return dense(w, "final", state)

        found = trained(part, slots, apply, task, random, f"detector {a}-{b}")
        found = found._replace(arrays={"stft.forward_basis.weight": basis, **found.arrays})
        yield specimen(found, PYTORCH)


def _turns(count: int, d: int) -> Array:
    """Return angles of positions, (count, d / 2), as "Attention is all you need" has them."""
    return np.outer(np.arange(count), 10_000.0 ** (-np.arange(d // 2) / (d // 2)))


def _grid(d: int) -> Array:
    """Return the table of a grid of 8 × 8 places: half of the columns for each axis."""
    rows, columns = np.divmod(np.arange(64), 8)
    parts = [_turns(8, d // 2)[at] for at in (columns, rows)]
    return np.concatenate([np.concatenate([np.sin(part), np.cos(part)], 1) for part in parts], 1)


def _interleaved(d: int) -> Array:
    angles = _turns(64, d)
    return np.stack([np.sin(angles), np.cos(angles)], 2).reshape(64, -1)


def _whisper(d: int) -> Array:
    angles = np.outer(np.arange(100), np.exp(-math.log(10_000) / (d // 2 - 1) * np.arange(d // 2)))
    return np.concatenate([np.sin(angles), np.cos(angles)], 1)


POSITIONS: dict[str, tuple[str, Callable[[int], Array]]] = {
    "interleaved": ("pos_encoder.pe", _interleaved),
    "DiT's": ("pos_embed", lambda d: _grid(d)[None]),
    "MAE's": ("pos_embed", lambda d: np.concatenate([np.zeros((1, d)), _grid(d)])[None]),
    "Whisper's": ("encoder.embed_positions.weight", _whisper),
}
"""Tables of positions that are computed: what they are called, and a width -> (places, width)."""


def transformers(part: Part, count: int) -> Iterator[Specimen]:
    """Yield transformers on tokens, of many builds.

    With learned or computed positions, an output layer tied to the embedding, blocks that share their weights, experts,
    branches that start at zero, and masks in the file.
    """
    import jax
    import jax.numpy as jnp

    random = np.random.default_rng([part.seed, 4])
    for _ in range(count):
        d, depth = int(random.choice(part.widths[:3])) // 8 * 8, int(random.choice([1, 2, 4]))
        biased, tied, shared, computed, masked = (bool(random.random() < p) for p in (0.5, 0.35, 0.25, 0.5, 0.3))
        experts, zero = int(random.choice([1, 1, 3])), bool(random.random() < 0.3)
        task, token = part.sequences(random, part.vocabulary)
        task = Task(task.x, token.astype(np.int32), part.vocabulary) if tied else task
        named, table = POSITIONS[str(random.choice(part.positions))]
        positions = table(d).astype(np.float32)
        places = positions.reshape(-1, d)
        slots = {"embed_tokens": Slot("embedding", (part.vocabulary, d), (INPUTS, OUTPUTS), False, "normal_0.02")}
        if not computed:
            slots["embed_positions"] = Slot("embedding", (16, d), (INPUTS, OUTPUTS), False, "normal_0.02")
        for i in range(1 if shared else depth):
            for name in ("norm1", "norm2"):
                slots[f"blocks.{i}.{name}"] = Slot("normalization", (d,))
            for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
                slots[f"blocks.{i}.attn.{name}"] = Slot("dense", (d, d), DENSE, biased)
            for k in range(experts):
                at = f"blocks.{i}.mlp" if experts == 1 else f"blocks.{i}.experts.{k}"
                slots[f"{at}.up_proj"] = Slot("dense", (2 * d, d), DENSE, biased)
                slots[f"{at}.down_proj"] = Slot("dense", (d, 2 * d), DENSE, biased)
            if experts > 1:
                slots[f"blocks.{i}.router"] = Slot("dense", (experts, d), DENSE, False)
            if zero:
                slots[f"blocks.{i}.ls1"] = Slot("factor", (d,), (), False, "0.0001")
                slots[f"blocks.{i}.zero_linear"] = Slot("dense", (d, d), DENSE, True, "zeros")
        slots["norm"] = Slot("normalization", (d,))
        if not tied:
            slots["head"] = Slot("dense", (task.classes, d), DENSE)

        def apply(
            w: Any, rows: Any, depth: int = depth, d: int = d, experts: int = experts, shared: bool = shared,
            tied: bool = tied, places: Array = places,
        ) -> Any:  # fmt: skip
            h = w["embed_tokens.weight"][rows.astype(int)]
            h = h + w["embed_positions.weight"][:8] if "embed_positions.weight" in w else h + 0.1 * places[1:9]
            for i in range(depth):
                at = f"blocks.{0 if shared else i}"
                z = layer_norm(w, f"{at}.norm1", h)
                q, k, v = (dense(w, f"{at}.attn.{name}_proj", z) for name in "qkv")
                weights = jax.nn.softmax(q @ jnp.swapaxes(k, 1, 2) / math.sqrt(d))
                out = dense(w, f"{at}.attn.o_proj", weights @ v)
                h = h + (out * (1 + w[f"{at}.ls1.weight"]) if f"{at}.ls1.weight" in w else out)
                z = layer_norm(w, f"{at}.norm2", h)
                if experts == 1:
                    h = h + dense(w, f"{at}.mlp.down_proj", jax.nn.gelu(dense(w, f"{at}.mlp.up_proj", z)))
                else:
                    shares = jax.nn.softmax(dense(w, f"{at}.router", z))
                    for k in range(experts):
                        name = f"{at}.experts.{k}"
                        out = dense(w, f"{name}.down_proj", jax.nn.gelu(dense(w, f"{name}.up_proj", z)))
                        h = h + shares[..., k, None] * out
                if f"{at}.zero_linear.weight" in w:
                    h = h + dense(w, f"{at}.zero_linear", z)
            h = layer_norm(w, "norm", h.mean(1))
            return 4 * h @ w["embed_tokens.weight"].T if tied else dense(w, "head", h)

        traits = {"tied": tied, "shared": shared, "experts": experts > 1, "zero branches": zero, "masks": masked}
        label = f"transformer {d}x{depth} {' '.join(name for name, there in traits.items() if there)}"
        found = trained(part, slots, apply, task, random, label)
        style = style_of(random) if not (tied or computed or masked) else PYTORCH
        yield _finished(found, style, depth, tied, shared, masked, {named: positions} if computed else {})


def _finished(
    found: Trained, style: str, depth: int, tied: bool, shared: bool, masked: bool, computed: Mapping[str, Array]
) -> Specimen:
    """Return a transformer with what its file has besides: copies of what is shared, computed tables, masks."""
    arrays, starts, slots = dict(found.arrays), dict(found.starts), dict(found.slots)
    if shared:
        for i in range(1, depth):
            for some in (arrays, starts):
                some.update({k.replace("blocks.0.", f"blocks.{i}."): v for k, v in some.items() if "blocks.0." in k})
            slots |= {k.replace("blocks.0.", f"blocks.{i}."): v for k, v in slots.items() if "blocks.0." in k}
    if tied:
        arrays["lm_head.weight"] = arrays["embed_tokens.weight"].copy()
    if masked:
        arrays |= {f"blocks.{i}.attn.bias": np.tril(np.ones((1, 1, 64, 64), bool)) for i in range(depth)}
        arrays["causal_mask"] = np.triu(np.full((64, 64), -np.inf, np.float32), 1)
    return specimen(Trained(slots, starts, {**arrays, **computed}, found.label), style)


def adapters(part: Part, count: int) -> Iterator[Specimen]:
    """Yield adapters of low rank, trained on a network that stays as it was drawn; the file has the adapters alone."""
    import jax

    random = np.random.default_rng([part.seed, 5])
    for number in range(count):
        table = part.tables[number % len(part.tables)]
        task = TABLES[table](part.seed)
        width, rank = int(random.choice(part.widths[2:])), int(random.choice([4, 8, 16]))
        sizes = [task.x.shape[1], width, width, width]
        base = [start("he_normal", (b, a), a, b, random) for a, b in itertools.pairwise(sizes)]
        last = start("he_normal", (task.classes or 1, width), width, 1, random)
        slots = {}
        for k, weight in enumerate(base):
            at = f"base_model.model.layers.{k}"
            slots[f"{at}.lora_A"] = Slot("dense", (rank, weight.shape[1]), DENSE, False)
            slots[f"{at}.lora_B"] = Slot("dense", (weight.shape[0], rank), DENSE, False, "zeros")

        def apply(w: Any, h: Any, base: Any = base, last: Array = last) -> Any:
            for k, weight in enumerate(base):
                at = f"base_model.model.layers.{k}"
                h = jax.nn.relu(h @ weight.T + dense(w, f"{at}.lora_B", dense(w, f"{at}.lora_A", h)))
            return h @ last.T

        found = trained(part, slots, apply, task, random, f"adapter {table} {width} rank {rank}", most=40)
        yield specimen(found, PYTORCH)
