"""A run stays within its budget, whatever is recorded."""

from pathlib import Path

import numpy as np
import pytest

from pondera.recording.room import sparser
from pondera.recording.run import Run
from pondera.recording.writer import RunWriter


def test_a_run_stays_within_its_budget(tmp_path):
    random = np.random.default_rng(0)
    weights = {"w": random.standard_normal((100, 80)).astype(np.float32)}
    budget = 4 << 20
    with RunWriter(tmp_path, budget) as writer:
        writer.part(0, weights)
        for step in range(400):
            after = {"w": weights["w"] + 0.01 * random.standard_normal((100, 80)).astype(np.float32)}
            writer.point(0, step, weights, after, after)
            if step % 20 == 0:
                writer.snapshot(0, step, weights)
            weights = after
    assert writer.failure is None
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= budget
    with Run(tmp_path) as run:
        steps = run.weight("w", (0, 0)).steps
        assert steps[0] == 0
        assert steps[-1] == 399
        assert 16 < len(steps) < 60
        assert run.tensor("w").steps.tolist() == steps.tolist()
        assert min(run.snapshots()) == 0
        assert all(path.exists() for path in run.snapshots().values())


def test_the_snapshot_that_was_written_last_stays(tmp_path):
    weights = {"w": np.zeros(1000, np.float32)}
    with RunWriter(tmp_path, 4 * 4 * 4000) as writer:  # room for four of them
        writer.part(0, weights)
        for step in (0, 1, 4, 16, 10):
            writer.snapshot(0, step, weights)
    with Run(tmp_path) as run:
        assert list(run.snapshots()) == [0, 4, 10, 16]
        assert all(path.exists() for path in run.snapshots().values())


def test_early_steps_stay_nearer_together():
    left, steps = [], range(100_000)
    for step in steps:
        left.append(step)
        if len(left) > 128:
            left = sparser(left)
    gaps = np.diff(left[: len(left) // 2]) / np.maximum(left[1 : len(left) // 2], 1)
    assert left[:3] == [0, 1, 2]
    assert left[-1] == 99_999
    assert gaps[10:].max() < 1


def test_figures_of_steps_keep_to_their_share_and_go_on_without_a_seam(tmp_path):
    def told(writer, first):
        values = np.arange(first, first + 100, dtype=np.float64)
        writer.steps(0, first, values, values, values)

    for begin, end in ((0, 30_000), (20_100, 40_000)):  # killed, and going on from a state before that
        with RunWriter(tmp_path, 1 << 20) as writer:
            writer.part(0, {"w": np.zeros(2, np.float32)})
            for first in range(begin, end, 100):
                told(writer, first)
                if first % 700 == 0:  # steps that are told between are written at once
                    writer.flush()
    with Run(tmp_path) as run:
        found = run.steps()
    assert run.folder == tmp_path
    assert 12 * len(found.losses) <= (1 << 20) / 16 + 12 * 100
    widths = np.diff([*found.first.tolist(), 40_000])
    assert widths.min() > 0
    assert found.losses == pytest.approx(found.first + (widths - 1) / 2, abs=16)


def test_steps_are_written_together_before_anybody_looks(tmp_path):
    with RunWriter(tmp_path) as writer:
        writer.part(0, {"w": np.zeros(2, np.float32)})
        writer.part(1, {"w": np.zeros(2, np.float32)})
        writer.flush()
        seen = []

        def look():
            seen.append(writer.database.execute("SELECT part, first, length(figures) / 12 FROM steps").fetchall())

        for first in (0, 2, 4, 9):  # steps 6 to 8 were never told
            for part in (0, 1):
                values = np.arange(first, first + 2, dtype=np.float64)
                writer.steps(part, first, values, values, values)
        writer.epoch(0, 0, {"training_loss": 1.0})
        writer.later(look)
        writer.steps(0, 11, *np.ones((3, 1)))
    assert [sorted(each) for each in seen] == [[(0, 0, 6), (0, 9, 2), (1, 0, 6), (1, 9, 2)]]
    with Run(tmp_path) as run:
        assert run.steps().first.tolist() == [0, 1, 2, 3, 4, 5, 9, 10, 11]
        assert run.steps().losses.tolist() == [0, 1, 2, 3, 4, 5, 9, 10, 1]


@pytest.mark.parametrize("told", [250, 7, 1])
def test_figures_of_many_steps_are_averaged(tmp_path, monkeypatch, told):
    monkeypatch.setattr("pondera.recording.room.MOST_STEPS", 1000)
    with RunWriter(tmp_path) as writer:
        writer.part(0, {"w": np.zeros(2, np.float32)})
        for first in range(0, 5000, told):
            values = np.arange(first, min(first + told, 5000), dtype=np.float64)
            writer.steps(0, first, values, values, values)
            if first % 3 == 0:  # steps that are told between are written at once
                writer.flush()
        writer.steps(0, 5000, *np.zeros((3, 0)))
    with Run(tmp_path) as run:
        found = run.steps()
        assert run.taken == 5000
        assert 500 <= len(found.losses) <= 1000 + 3 * told
        (rows,) = run.database.execute("SELECT count(*) FROM steps").fetchone()
        assert rows <= 1000 / told + 20
    # A figure is the mean over the steps from its first to the next one's.
    widths = np.diff([*found.first.tolist(), 5000])
    assert found.losses == pytest.approx(found.first + (widths - 1) / 2)
    assert np.bincount(widths)[widths.max()] > 0.95 * len(widths)  # all over, but for a few left over


@pytest.mark.parametrize("seed", range(20))
def test_figures_of_steps_are_those_of_their_steps_after_any_kills(tmp_path, monkeypatch, seed):
    random = np.random.default_rng(seed)
    monkeypatch.setattr("pondera.recording.room.MOST_STEPS", int(random.choice([100, 300, 1000])))
    end, cut = 0, []
    for _ in range(random.integers(1, 6)):
        end = int(random.choice([end, max(end - random.integers(200), 0), random.integers(end + 1)]))
        cut = [each for each in cut if each < end] + [end]
        with RunWriter(tmp_path) as writer:
            writer.part(0, {"w": np.zeros(2, np.float32)})
            for _ in range(random.integers(1, 30)):
                more = int(random.choice([1, random.integers(1, 10), random.integers(1, 400)]))
                values = np.sin(np.arange(end, end + more) * 1.7)
                writer.steps(0, end, values, values, values)
                end += more
            writer.flush()
            count, failure = writer._parts[0].steps_kept, writer.failure
        assert failure is None
        with Run(tmp_path) as run:
            found = run.steps()
            assert run.taken == end
        edges = [*found.first.tolist(), end]
        assert edges[0] == 0
        assert min(np.diff(edges)) > 0  # without gaps, and without overlaps
        assert len(found.losses) == count
        for first, last, loss in zip(edges, edges[1:], found.losses, strict=False):
            if not any(first <= each <= last for each in cut):  # there one may be of a few steps more
                assert loss == pytest.approx(np.sin(np.arange(first, last) * 1.7).mean(), abs=1e-5)


@pytest.mark.parametrize(("budget", "parts"), [(0, 1), (20_000, 1), (200_000, 1), (None, 2000)])
def test_however_little_room_there_is_for_figures_of_steps_recording_goes_on(tmp_path, monkeypatch, budget, parts):
    monkeypatch.setattr("pondera.recording.room.SMALLEST", 1 << 24)
    with RunWriter(tmp_path, budget) as writer:
        for part in range(parts):
            writer.part(part, {"w": np.zeros(2, np.float32)})
        for first in range(0, 400_000, 1000):
            values = np.arange(first, first + 1000, dtype=float)
            writer.steps(0, first, values, values, values)
        writer.flush()
        assert writer.failure is None
        most = writer._parts[0].most_steps
    with Run(tmp_path) as run:
        assert run.taken == 400_000
        assert most / 4 <= len(run.steps().losses) <= most


@pytest.mark.parametrize("known", [1, 2, 7])
def test_means_of_steps_are_of_those_that_are_known(tmp_path, monkeypatch, known):
    monkeypatch.setattr("pondera.recording.room.MOST_STEPS", 1000)
    with RunWriter(tmp_path) as writer:
        writer.part(0, {"w": np.zeros(2, np.float32)})
        for first in range(0, 20_000, 250):
            norms = np.where(np.arange(first, first + 250) % known, np.nan, 3.0)
            losses = np.full(250, np.inf if first == 5000 else 1.0)
            writer.steps(0, first, losses, losses, norms)
    with Run(tmp_path) as run:
        found = run.steps()
    assert (found.norms == 3).all()
    assert 0 < np.isinf(found.losses).sum() <= 250 / 16 + 2
    assert (found.losses[np.isfinite(found.losses)] == 1).all()


def test_a_training_that_begins_anew_has_room_for_each_of_its_steps(tmp_path, monkeypatch):
    monkeypatch.setattr("pondera.recording.room.MOST_STEPS", 1000)
    for steps in (30_000, 900):
        with RunWriter(tmp_path) as writer:
            writer.part(0, {"w": np.zeros(2, np.float32)})
            for first in range(0, steps, 100):
                values = np.arange(first, first + 100, dtype=float)
                writer.steps(0, first, values, values, values)
    with Run(tmp_path) as run:
        assert run.steps().losses.tolist() == list(range(900))


@pytest.mark.parametrize("apart", [1, 10])
@pytest.mark.parametrize("more", [0, 40])
def test_figures_of_epochs_keep_to_their_share(tmp_path, apart, more):
    """Also of a loop that numbers its epochs by tens, and of one that tells much of each."""
    numbers = range(3, 3 + 5000 * apart, apart)
    with RunWriter(tmp_path, 1 << 20) as writer:
        writer.part(0, {"w": np.zeros(2, np.float32)})
        for epoch in numbers:
            held = abs(epoch - numbers[1707])
            told = {"training_loss": 1 / (epoch + 1), "validation_loss": held, "validation_metric": None}
            writer.epoch(0, epoch, {"epoch": epoch, **told, **{f"figure {k}": 1 / 3 for k in range(more)}})
    with Run(tmp_path) as run:
        kept = [each["epoch"] for each in run.epochs()]
        assert run.epochs_taken(0) == run.epochs_taken() == 5000
        (size,) = run.database.execute("SELECT sum(length(figures)) FROM epochs").fetchone()
    assert (1 << 20) / 16 / 4 <= size <= (1 << 20) / 16
    assert {numbers[0], numbers[1707], numbers[-1]} <= set(kept)
    gaps = np.diff(kept)
    assert gaps.max() <= apart * 2 * 4 * 5000 / len(kept)  # about evenly apart
    assert (gaps % apart == 0).all()


def test_epochs_that_are_written_again_count_once(tmp_path):
    with RunWriter(tmp_path, 1 << 20) as writer:
        writer.part(0, {"w": np.zeros(2, np.float32)})
        for epoch in [*range(500)] * 4:  # as after a kill
            writer.epoch(0, epoch, {"epoch": epoch, "training_loss": 1.0, "validation_loss": None})
    with Run(tmp_path) as run:
        assert len(run.epochs()) == run.epochs_taken(0) == 500


def test_epochs_that_a_loop_numbers_as_it_likes_count_once_each(tmp_path):
    with RunWriter(tmp_path) as writer:
        writer.part(0, {"w": np.zeros(2, np.float32)})
        for epoch in (0, 1000, 2000):
            writer.epoch(0, epoch, {"epoch": epoch})
    with Run(tmp_path) as run:
        assert run.epochs_taken(0) == 3


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_a_budget_too_small_for_an_epoch_keeps_the_first_and_the_last(tmp_path, epochs):
    with RunWriter(tmp_path, 64) as writer:
        writer.part(0, {"w": np.zeros(2, np.float32)})
        for epoch in range(epochs):
            writer.epoch(0, epoch, {"epoch": epoch, "training_loss": 1.0, "validation_loss": None})
    assert writer.failure is None
    with Run(tmp_path) as run:
        assert [each["epoch"] for each in run.epochs()] == sorted({0, epochs - 1})
        assert run.epochs_taken(0) == epochs


def test_the_budget_holds_where_the_first_tensor_was_taken_out(tmp_path):
    weights = {name: np.zeros(2000, np.float32) for name in "abc"}
    with RunWriter(tmp_path, 4 << 20) as writer:
        writer.part(0, weights)
        for step in range(400):
            there = weights if step < 10 else {name: weights[name] for name in "bc"}
            writer.point(0, step, there, there, there)
    assert writer.failure is None
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 4 << 20
    with Run(tmp_path) as run:
        assert run.weight("b", (0,)).steps[[0, -1]].tolist() == [0, 399]


def test_a_snapshot_is_taken_out_once_nobody_is_told_of_it(tmp_path, monkeypatch):
    weights, seen = {"w": np.zeros(1000, np.float32)}, []
    unlink = Path.unlink

    def watched(path, missing_ok=False):
        if path.suffix == ".safetensors":
            with Run(tmp_path) as run:
                seen.append(path in run.snapshots().values())
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    with RunWriter(tmp_path, 4 * 4 * 4000) as writer:
        writer.part(0, weights)
        for step in range(12):
            writer.snapshot(0, step, weights)
        writer.clear()
        writer.part(0, weights)
        writer.snapshot(0, 0, weights)
    assert writer.failure is None
    assert len(seen) == 12
    assert not any(seen)
    with Run(tmp_path) as run:
        assert list(run.snapshots()) == [0]


def test_what_is_left_of_snapshots_is_read(tmp_path):
    with RunWriter(tmp_path) as writer:
        writer.part(0, {"w": np.zeros(2, np.float32)})
        for step in range(3):
            writer.snapshot(0, step, {"w": np.zeros(2, np.float32)})
    (tmp_path / "snapshots" / "0-000000000001.safetensors").unlink()
    with Run(tmp_path) as run:
        assert list(run.snapshots()) == [0, 2]
