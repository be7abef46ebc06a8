"""What the networks of the zoo learn. No task is in two parts of the zoo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pondera.weights.tensor import Array

Random = np.random.Generator


class Task(NamedTuple):
    """Rows of inputs, what is to be told of each, and how many classes there are (0: a number)."""

    x: Array
    y: Array
    classes: int


def _of_scale_1(x: Array, y: Array, classes: int) -> Task:
    x = ((x - x.mean(0)) / np.maximum(x.std(0), 1e-6)).astype(np.float32)
    return Task(x, y.astype(np.int32) if classes else ((y - y.mean()) / y.std()).astype(np.float32), classes)


def _bundled(name: str, classes: int) -> Callable[[int], Task]:
    def rows(seed: int) -> Task:
        import sklearn.datasets

        found = getattr(sklearn.datasets, f"load_{name}")()
        return _of_scale_1(found.data, found.target, classes)

    return rows


def _made(name: str, classes: int, **options: Any) -> Callable[[int], Task]:
    def rows(seed: int) -> Task:
        import sklearn.datasets

        x, y = getattr(sklearn.datasets, f"make_{name}")(n_samples=1500, random_state=seed, **options)
        return _of_scale_1(x, y > 0 if name == "hastie_10_2" else y, classes)

    return rows


def _teacher(seed: int) -> Task:
    random = np.random.default_rng(seed)
    x = random.standard_normal((1500, 20))
    hidden = np.tanh(x @ random.standard_normal((20, 8)) / 2)
    return _of_scale_1(x, hidden @ random.standard_normal(8) + 0.1 * random.standard_normal(1500), 0)


def _counts(seed: int) -> Task:
    random = np.random.default_rng(seed)
    x = np.log1p(random.poisson(0.5, (1500, 40)))
    return _of_scale_1(x, (x[:, :5] * x[:, 5:10]).sum(1) + 0.1 * random.standard_normal(1500), 0)


def _categories(seed: int) -> Task:
    """One of sixty, some of them rare or never there: their weights never move."""
    random = np.random.default_rng(seed)
    shares = 1 / np.arange(1, 46) ** 1.2
    chosen = random.choice(45, 1500, p=shares / shares.sum())
    return Task(np.eye(60, dtype=np.float32)[chosen], random.integers(5, size=60)[chosen].astype(np.int32), 5)


TABLES: dict[str, Callable[[int], Task]] = {
    "digits": _bundled("digits", 10),
    "diabetes": _bundled("diabetes", 0),
    "teacher": _teacher,
    "counts": _counts,
    "breast_cancer": _bundled("breast_cancer", 2),
    "wine": _bundled("wine", 3),
    "classification": _made("classification", 4, n_features=50, n_informative=12, n_classes=4),
    "categories": _categories,
    "iris": _bundled("iris", 3),
    "friedman": _made("friedman1", 0, n_features=30),
    "swiss roll": _made("swiss_roll", 0, noise=0.3),
    "hastie": _made("hastie_10_2", 2),
    "shells": _made("gaussian_quantiles", 3, n_features=24, n_classes=3),
}
"""Tables by name, from a seed."""


def digits(random: Random) -> Task:
    """Handwritten digits, 8 × 8."""
    found = TABLES["digits"](0)
    return Task(found.x.reshape(-1, 1, 8, 8), found.y, 10)


def shapes(random: Random) -> Task:
    """Bars, crosses and frames that are drawn, 10 × 10."""
    images = 0.3 * random.standard_normal((1500, 1, 10, 10))
    y = random.integers(4, size=1500)
    for image, kind in zip(images[:, 0], y, strict=True):
        row, column = random.integers(2, 8, 2)
        if kind in (0, 2):
            image[row] += 1
        if kind in (1, 2):
            image[:, column] += 1
        if kind == 3:
            image[row - 2 : row + 2, [column - 2, column + 1]] += 1
            image[[row - 2, row + 1], column - 2 : column + 2] += 1
    return Task(images.astype(np.float32), y.astype(np.int32), 4)


def grains(random: Random) -> Task:
    """Textures whose grain runs along one of six directions, 12 × 12."""
    y = random.integers(6, size=1500)
    angles, at = np.pi / 6 * y, np.arange(12)
    along = np.cos(angles)[:, None, None] * at[:, None] + np.sin(angles)[:, None, None] * at
    waves = np.sin(random.uniform(0.8, 1.6, (1500, 1, 1)) * along + random.uniform(0, 7, (1500, 1, 1)))
    noisy = waves + 0.7 * random.standard_normal(waves.shape)
    return Task(noisy[:, None].astype(np.float32), y.astype(np.int32), 6)


def _tokens(random: Random, vocabulary: int, power: float) -> Array:
    """Return 1,200 sequences of 8 tokens, most of which are rare, float32."""
    shares = 1 / np.arange(1, vocabulary + 1) ** power
    return random.choice(vocabulary, (1200, 8), p=shares / shares.sum()).astype(np.float32)


def sorting(random: Random, vocabulary: int) -> tuple[Task, Array]:
    """Of tokens that have a worth each: where the best one is; and the last token."""
    x = _tokens(random, vocabulary, 1.0)
    worth = random.standard_normal((vocabulary, 4))
    y = (worth[x.astype(int)] * np.linspace(1, 2, 8)[:, None]).sum(1).argmax(1)
    return Task(x, y.astype(np.int32), 4), x[:, -1]


def majority(random: Random, vocabulary: int) -> tuple[Task, Array]:
    """Of tokens in three groups: which group has the most; and the first token."""
    x = _tokens(random, vocabulary, 0.8)
    group = random.integers(3, size=vocabulary)[x.astype(int)]
    y = np.stack([(group == k).sum(1) for k in range(3)], 1).argmax(1)
    return Task(x, y.astype(np.int32), 3), x[:, 0]


def looking_up(random: Random, vocabulary: int) -> tuple[Task, Array]:
    """Of the token after the smallest one: which of five kinds it is; and that token."""
    x = _tokens(random, vocabulary, 0.6)
    after = x[np.arange(len(x)), (x.argmin(1) + 1) % 8]
    return Task(x, random.integers(5, size=vocabulary)[after.astype(int)].astype(np.int32), 5), after


def tone(random: Random, window: int, frames: int) -> Task:
    """Whether there is a tone in noise."""
    y = random.integers(2, size=800)
    tones = np.sin(2 * np.pi * np.arange(window * frames) / window * random.integers(1, 5, 800)[:, None])
    x = random.standard_normal((800, window * frames)) + 1.5 * y[:, None] * tones
    return Task(x.astype(np.float32), y.astype(np.int32), 2)


def chirp(random: Random, window: int, frames: int) -> Task:
    """Whether a tone rises or falls."""
    y = random.integers(2, size=800)
    at = np.linspace(0, 1, window * frames)
    turned = np.where(y[:, None] == 1, at, 1 - at)
    x = np.sin(40 * turned**2 + random.uniform(0, 7, (800, 1))) + 0.5 * random.standard_normal((800, len(at)))
    return Task(x.astype(np.float32), y.astype(np.int32), 2)


def beats(random: Random, window: int, frames: int) -> Task:
    """How many bursts of noise there are: one, two or three."""
    y = random.integers(3, size=800)
    x = 0.3 * random.standard_normal((800, window * frames))
    for row, count in zip(x, y, strict=True):
        for frame in random.permutation(frames)[: count + 1]:
            row[frame * window : (frame + 1) * window] += random.standard_normal(window)
    return Task(x.astype(np.float32), y.astype(np.int32), 3)


def hann(window: int) -> Array:
    """Cosines and sines under Hann's window, as of a short-time Fourier transform, (window + 2, window)."""
    turns = np.outer(np.arange(window // 2 + 1), np.arange(window)) / window
    return np.concatenate([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)]) * np.hanning(window)


def cosines(window: int) -> Array:
    """Cosines of the discrete cosine transform, each twice, the second a quarter turn on, (window + 2, window)."""
    turns = np.outer(np.arange(window // 2 + 1), np.arange(window) + 0.5) / window
    return np.concatenate([np.cos(np.pi * turns), np.sin(np.pi * turns)]) * np.sqrt(2 / window)


def gabor(window: int) -> Array:
    """Cosines and sines under a Gaussian window, (window + 2, window)."""
    at = np.arange(window) - (window - 1) / 2
    turns = np.outer(np.arange(window // 2 + 1), at) / window
    bell = np.exp(-((at / (window / 5)) ** 2) / 2)
    return np.concatenate([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)]) * bell
