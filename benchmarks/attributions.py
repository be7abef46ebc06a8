"""Holds contributions against Captum's and shap's for the same network, and times them.

Run ``python -m benchmarks.attributions``. Pondera's network and PyTorch's have the same weights; everybody explains the
same rows from the same baseline.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.machine import machine, sentence
from benchmarks.measure import keep, round_robin, table, verdict

PACKAGES = ("pondera", "jax", "torch", "captum", "shap", "numpy")
NEAR = 1e-4
OVER_CAPTUM, OVER_KERNEL = 3.0, 10.0
STEPS = 64  # points on the line from the baseline, for both
ROWS, FEW = 2048, 16  # rows for gradients, and for Shapley values
WIDE, NARROW = (20, 128, 128, 1), (10, 64, 64, 1)
BACKGROUND = 32

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Twins:
    """The same network for Pondera and for PyTorch, rows, and a background."""

    question: Any
    module: Any

    @property
    def subject(self) -> Any:
        """What Pondera explains."""
        return self.question.subjects[0]

    def predict(self, x: Array) -> Array:
        """Return PyTorch's outputs, (rows,)."""
        import torch

        with torch.no_grad():
            return self.module(torch.as_tensor(x, dtype=torch.float32)).numpy().reshape(-1)


def twins(widths: tuple[int, ...], rows: int) -> Twins:
    """Train a network on a function with interactions, and copy it."""
    import torch

    from pondera import Dense, Network, Plan, fit
    from pondera.explaining.question import Question
    from pondera.explaining.subject import Subject

    random = np.random.default_rng(0)
    x = random.standard_normal((4096, widths[0])).astype(np.float32)
    y = (np.sin(2 * x[:, :1] * x[:, 1:2]) + np.square(x[:, 2:3]) + x[:, 3:4] - x[:, 4:5] * x[:, 5:6]).astype(np.float32)
    layers = [Dense(units, "relu") for units in widths[1:-1]] + [Dense(widths[-1])]
    network = fit(Network.create(widths[0], layers, seed=0), x, y, Plan(epochs=20, seed=0)).network
    modules: list[Any] = []
    for at in range(len(layers)):
        linear = torch.nn.Linear(widths[at], widths[at + 1])
        with torch.no_grad():
            linear.weight.copy_(torch.as_tensor(np.array(network.weights[f"layers.{at}.weight"].T)))
            linear.bias.copy_(torch.as_tensor(np.array(network.weights[f"layers.{at}.bias"])))
        modules += [linear, torch.nn.ReLU()]
    module = torch.nn.Sequential(*modules[:-1]).eval()
    question = Question.of_arrays(Subject.of_network(network), x[:rows], background=x[-BACKGROUND:])
    return Twins(question, module)


def gradients(rounds: int) -> dict[str, Any]:
    """Compare integrated gradients and gradient × input with Captum's."""
    import torch
    from captum.attr import InputXGradient, IntegratedGradients

    from pondera.explaining.gradients import gradient_input, integrated_gradients

    pair, random = twins(WIDE, ROWS), np.random.default_rng(0)
    rows = torch.as_tensor(pair.question.x)
    start = torch.as_tensor(pair.question.background.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32))
    captum_ig, captum_gi = IntegratedGradients(pair.module), InputXGradient(pair.module)

    def theirs(batch: int | None) -> Array:
        found = captum_ig.attribute(rows, start, n_steps=STEPS, method="gausslegendre", internal_batch_size=batch)
        return found.detach().numpy()

    def ours() -> Array:
        return integrated_gradients(pair.question, pair.subject, random, steps=STEPS).contributions

    def captum_simple() -> Array:
        return captum_gi.attribute(rows.clone().requires_grad_(True)).detach().numpy()

    def ours_simple() -> Array:
        return gradient_input(pair.question, pair.subject, random).contributions

    times = round_robin(
        {
            "Pondera": ours,
            "Captum": lambda: theirs(None),
            "Captum, batches of 4,096": lambda: theirs(4096),
            "Pondera, gradient × input": ours_simple,
            "Captum, gradient × input": captum_simple,
        },
        rounds=rounds,
    )
    fastest = min(times["Captum"]["median"], times["Captum, batches of 4,096"]["median"])
    return {
        "integrated gradients": {
            "peer": "Captum",
            "difference": distance(ours(), theirs(None)),
            "seconds": [times["Pondera"]["median"], fastest],
            "bar": OVER_CAPTUM,
        },
        "gradient × input": {
            "peer": "Captum",
            "difference": distance(ours_simple(), captum_simple()),
            "seconds": [
                times["Pondera, gradient × input"]["median"],
                times["Captum, gradient × input"]["median"],
            ],
            "bar": None,
        },
    }


def exact() -> dict[str, Any]:
    """Compare exact Shapley values with those of shap's Exact explainer."""
    import shap

    from pondera.explaining.shapley import exact_shapley

    pair = twins(NARROW, FEW)
    explainer = shap.explainers.Exact(pair.predict, shap.maskers.Independent(pair.question.background, BACKGROUND))

    def ours() -> Array:
        return exact_shapley(pair.question, pair.subject, np.random.default_rng(0)).contributions

    def theirs() -> Array:
        return explainer(pair.question.x, silent=True).values

    ours()
    (mine, mine_seconds), (other, other_seconds) = timed(ours), timed(theirs)
    return {
        "exact Shapley values": {
            "peer": "shap's Exact",
            "difference": distance(mine, other),
            "seconds": [mine_seconds, other_seconds],
            "bar": None,
        }
    }


def sampled() -> dict[str, Any]:
    """Time Shapley values by sampling until they are as near to exact ones as KernelExplainer's."""
    import shap

    from pondera.explaining.shapley import shapley

    pair = twins(WIDE, FEW)
    explainer = shap.KernelExplainer(pair.predict, pair.question.background)

    def theirs(seed: int) -> Array:
        np.random.seed(seed)
        return np.asarray(explainer.shap_values(pair.question.x, l1_reg=0, silent=True)).reshape(FEW, -1)

    def ours(seed: int, pairs: int) -> Array:
        random = np.random.default_rng(seed)
        return shapley(pair.question, pair.subject, random, pairs=pairs).contributions

    runs = [timed(lambda seed=seed: theirs(seed)) for seed in range(4)]
    error = spread([found for found, _ in runs])
    pairs = BACKGROUND  # every row of the background equally often
    while spread([ours(seed, pairs) for seed in range(4)]) > error:
        pairs += BACKGROUND
    seconds = float(np.median([timed(lambda seed=seed: ours(seed, pairs))[1] for seed in range(7)]))
    mean = [np.mean([found for found, _ in runs], axis=0), np.mean([ours(seed, pairs) for seed in range(16)], axis=0)]
    return {
        "sampled Shapley values": {
            "peer": "shap's KernelExplainer",
            "difference": distance(mean[1], mean[0]),
            "seconds": [seconds, float(np.median([seconds for _, seconds in runs]))],
            "bar": OVER_KERNEL,
            "error": [spread([ours(seed, pairs) for seed in range(4)]), error],
            "pairs": pairs,
        }
    }


def timed(work: Callable[[], Array]) -> tuple[Array, float]:
    """Return what a call gives and the seconds it takes."""
    begun = time.perf_counter()
    found = work()
    return found, time.perf_counter() - begun


def spread(runs: list[Array]) -> float:
    """Return the standard error of one run: how far runs are from each other, root mean square."""
    return float(np.sqrt(np.stack(runs).var(axis=0, ddof=1).mean()))


def distance(ours: Array, theirs: Array) -> float:
    """Return the largest difference, as a share of the largest contribution."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def report(content: Mapping[str, Any]) -> str:
    """Return a run's results as text."""
    rows = []
    for name, entry in content["entries"].items():
        ours, theirs = entry["seconds"]
        ratio = theirs / ours
        target = "" if entry["bar"] is None else f"≥ {entry['bar']:g}×: {verdict(ratio >= entry['bar'])}"
        same = f"{entry['difference']:.0e}" + (
            f", errors {entry['error'][0]:.1e} and {entry['error'][1]:.1e}"
            if "error" in entry
            else f", {verdict(entry['difference'] <= NEAR)}"
        )
        rows.append([name, entry["peer"], same, f"{ours:.4g}", f"{theirs:.4g}", f"{ratio:.1f}×", target])
    head = ["", "beside", f"largest difference (≤ {NEAR:g})", "Pondera, s", "peer, s", "ratio", "target"]
    return "\n\n".join(
        [
            table(head, rows),
            f"Differences are shares of the largest contribution. Gradients: {ROWS:,} rows of {WIDE[0]} inputs, "
            f"{'-'.join(map(str, WIDE))} with ReLU, {STEPS} points by Gauss and Legendre for both; Captum at once or "
            f"in batches of 4,096, whichever is faster. Shapley values: {FEW} rows, {BACKGROUND} of background; exact "
            f"ones of {'-'.join(map(str, NARROW))}. Sampled ones do the work of as many orders as bring their "
            "standard error, from run to run, to that of KernelExplainer with its default number of samples and plain "
            "least squares.",
            sentence(content["machine"]),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attributions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    entries = {**gradients(chosen.rounds), **exact(), **sampled()}
    print(report(keep("attributions", machine(PACKAGES), entries)))


if __name__ == "__main__":
    main()
