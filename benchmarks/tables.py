"""Times whole fits on tables and scores them on held-out rows, beside scikit-learn's MLP and pytabkit's RealMLP-TD-S.

Run ``python -m benchmarks.tables --data DIR`` where DIR holds adult.csv, california.csv and diamonds.csv; without
``--data`` it takes two small tables that come with scikit-learn, and says so.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.data import DATASETS, Dataset
from benchmarks.machine import Others, machine, sentence
from benchmarks.measure import QUIET, keep, table, verdict

PACKAGES = ("pondera", "jax", "scikit-learn", "pytabkit", "torch", "numpy", "pandas", "polars")

WORSE_AT_MOST = 1.0  # % of pytabkit's score
TIME_AT_MOST = 0.5  # of pytabkit's time


def pondera_default(dataset: Dataset, seed: int) -> Any:
    """Pondera's default recipe."""
    import pondera

    kind = pondera.PonderaClassifier if dataset.classes else pondera.PonderaRegressor
    return kind(random_state=seed)


def sklearn_mlp(dataset: Dataset, seed: int) -> Any:
    """scikit-learn's MLP with its defaults, behind standardized numbers, one-hot texts and standardized targets."""
    from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
        sparse_threshold=0,
    )
    if dataset.classes:
        return make_pipeline(columns, MLPClassifier(random_state=seed))
    return TransformedTargetRegressor(
        make_pipeline(columns, MLPRegressor(random_state=seed)), transformer=StandardScaler()
    )


def realmlp(dataset: Dataset, seed: int) -> Any:
    """RealMLP-TD-S as its authors ship it: its defaults, one network, a fifth of the rows for validation."""
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    kind = RealMLP_TD_S_Classifier if dataset.classes else RealMLP_TD_S_Regressor
    return kind(device="cpu", random_state=seed, val_fraction=0.2, n_cv=1)


LEARNERS: dict[str, Callable[[Dataset, int], Any]] = {
    "Pondera": pondera_default,
    "scikit-learn MLP": sklearn_mlp,
    "RealMLP-TD-S": realmlp,
}


def measure(dataset: Dataset, folder: Path | None, seeds: int) -> dict[str, Any]:
    """Fit every learner on the same rows with each seed."""
    frame, target = dataset.read(folder)
    train, test = dataset.split(len(frame))
    results: dict[str, Any] = {name: {"seconds": [], "scores": [], "others": []} for name in LEARNERS}
    for seed in range(seeds):
        for name, make in LEARNERS.items():
            model = make(dataset, seed)
            with _quiet():
                others, begun = Others(), time.perf_counter()
                model.fit(frame.iloc[train], target[train])
                seconds, busy = time.perf_counter() - begun, others.cores() or 0.0
                predicted = np.asarray(model.predict(frame.iloc[test]))
            score = dataset.score(predicted, target[test], target)
            results[name]["seconds"].append(seconds)
            results[name]["scores"].append(score)
            results[name]["others"].append(busy)
            line = f"{dataset.name}, seed {seed}: {name} {score:.5f} in {seconds:.1f} s, others on {busy:.2f} cores"
            print(line, file=sys.stderr, flush=True)
    return {
        "metric": dataset.metric,
        "rows": {"train": len(train), "test": len(test)},
        "columns": frame.shape[1],
        "learners": results,
    }


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep what peers print to themselves out of the table."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def warm_up() -> None:
    """Let every library import and start before the clock does."""
    rows = np.arange(200) % 160
    for dataset in DATASETS:
        if dataset.bundled:
            frame, target = dataset.read(None)
            kinds = {"Pondera": {"epochs": 1}, "scikit-learn MLP": {}, "RealMLP-TD-S": {"n_epochs": 1}}
            for name, make in LEARNERS.items():
                with _quiet():
                    make(dataset, 0).set_params(**kinds[name]).fit(frame.iloc[rows], target[rows])


def worse_by(entry: dict[str, Any], peer: str) -> float:
    """Return by how many % Pondera's score is worse than a peer's; negative where it is better."""
    ours, theirs = (mean(entry["learners"][name]["scores"]) for name in ("Pondera", peer))
    better = ours - theirs if entry["metric"] == "accuracy" else theirs - ours
    return -100 * better / theirs


def disturbed(found: dict[str, Any]) -> str:
    """Return the mark of a time that others had a part in."""
    return "*" if max(found["others"]) > QUIET else ""


def report(content: dict[str, Any]) -> str:
    """Return a run's results as text."""
    rows = []
    for name, entry in content["entries"].items():
        cells = [f"{name} ({entry['metric']} {'↑' if entry['metric'] == 'accuracy' else '↓'})"]
        for found in entry["learners"].values():
            cells += [f"{mean(found['scores']):.4f}", f"{mean(found['seconds']):.1f}{disturbed(found)}"]
        seconds = {who: mean(found["seconds"]) for who, found in entry["learners"].items()}
        share, worse = seconds["Pondera"] / seconds["RealMLP-TD-S"], worse_by(entry, "RealMLP-TD-S")
        unclear = any(disturbed(entry["learners"][who]) for who in ("Pondera", "RealMLP-TD-S"))
        score, fast = verdict(worse <= WORSE_AT_MOST), verdict(share <= TIME_AT_MOST)
        rows.append(
            [*cells, f"{share:.2f}{'*' if unclear else ''}", f"{worse:+.2f} %", score, "unclear" if unclear else fast]
        )
    head = ["table"]
    for name in LEARNERS:
        head += [name, "s"]
    head += ["time / RealMLP", "worse by", "score target", "time target"]
    seeds = {len(entry["learners"]["Pondera"]["scores"]) for entry in content["entries"].values()}
    many = ", ".join(map(str, sorted(seeds)))
    return "\n\n".join(
        [
            table(head, rows),
            f"Scores on held-out rows; s is the seconds of the whole fit; mean over {many} seed(s). “Worse by” is "
            f"relative to RealMLP-TD-S, below 0 where Pondera is better; the target is at most {WORSE_AT_MOST:g} % "
            f"worse in at most {TIME_AT_MOST:g} of its time. A * marks a time during which other processes kept more "
            f"than {QUIET:g} cores busy: times and ratios with it are no measurement, the scores are.",
            sentence(content["machine"]),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR", help="where the CSV files lie")
    parser.add_argument("--only", metavar="NAME", help="one table")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0")
    chosen = parser.parse_args()
    bundled = chosen.data is None
    if bundled:
        print("No --data DIR: using breast_cancer and diabetes, which come with scikit-learn.", file=sys.stderr)
    there = [dataset for dataset in DATASETS if dataset.bundled == bundled]
    picked = [dataset for dataset in there if chosen.only in (None, dataset.name)]
    if not picked:
        parser.error(f"no table {chosen.only!r}; there are {', '.join(dataset.name for dataset in there)}")
    warm_up()
    found = machine(PACKAGES)
    what = "tables_bundled" if bundled else "tables"
    for dataset in picked:
        content = keep(what, found, {dataset.name: measure(dataset, chosen.data, chosen.seeds)})
    print(report(content))


if __name__ == "__main__":
    main()
