"""Runs of several processes become one."""

import numpy as np
import pytest

import pondera
from pondera.errors import ArgumentError, RunError
from pondera.recording.health.facts import Facts
from pondera.recording.loops import Loop
from pondera.recording.run import Run
from pondera.recording.writer import RunWriter


def recorded(folder, start, moves, gradients, level="full"):
    """Write a run of a tensor that is moved step by step."""
    loop, w = Loop(folder, level), start
    loop.begin({"w": start})
    for step, (move, gradient) in enumerate(zip(moves, gradients, strict=True)):
        if loop.wants(step):
            loop.point(step, {"w": w}, {"w": w + move}, {"w": gradient})
        loop.took(step, loss=1.0 / (step + 1), rate=0.1, norm=np.linalg.norm(gradient))
        w = w + move
    loop.close(True, {"w": w})


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return random.standard_normal((6, 50)), random.standard_normal((5, 6, 50)), random.standard_normal((5, 6, 50))


def test_shards_are_what_the_whole_is(tmp_path, arrays):
    start, moves, gradients = arrays
    recorded(tmp_path / "whole", start, moves, gradients)
    places = []
    for rank, rows in enumerate([slice(0, 2), slice(2, 3), slice(3, 6)]):
        places.append(tmp_path / str(rank))
        recorded(places[-1], start[rows], moves[:, rows], gradients[:, rows])
    pondera.runs.merge(places, tmp_path / "joined", shards=True)
    with Run(tmp_path / "whole") as whole, Run(tmp_path / "joined") as joined:
        assert joined.state == "finished"
        assert joined.tensors() == whole.tensors() == {"w": (6, 50)}
        for one, other in zip(joined.tensor("w").figures, whole.tensor("w").figures, strict=True):
            assert one.squares == pytest.approx(other.squares, rel=1e-12)
            assert one.gradient_squares == pytest.approx(other.gradient_squares, rel=1e-12)
            assert (one.count, one.low, one.high, one.flips) == (other.count, other.low, other.high, other.flips)
            np.testing.assert_array_equal(one.spread.counts, other.spread.counts)
        assert joined.steps().norms == pytest.approx(whole.steps().norms, rel=1e-6)
        assert joined.steps().losses.tolist() == whole.steps().losses.tolist()
        for index in [(0, 0), (2, 7), (5, 49)]:
            np.testing.assert_array_equal(joined.weight("w", index).values, whole.weight("w", index).values)
            np.testing.assert_array_equal(joined.weight("w", index).gradients, whole.weight("w", index).gradients)
        assert list(joined.snapshots()) == list(whole.snapshots())


def test_large_shards_keep_the_weights_that_are_followed(tmp_path, monkeypatch):
    monkeypatch.setattr("pondera.recording.followed.ALL", 100)
    monkeypatch.setattr("pondera.recording.followed.SAMPLE", 70)
    start = np.arange(4 * 50.0).reshape(4, 50)
    for rank, rows in enumerate([start[:3], start[3:]]):  # of the first shard some are followed, of the other all
        recorded(tmp_path / str(rank), rows, np.ones((2, *rows.shape)), np.ones((2, *rows.shape)))
    pondera.runs.merge([tmp_path / "0", tmp_path / "1"], tmp_path / "joined", shards=True)
    with Run(tmp_path / "joined") as run:
        followed = run._tensor("w", 0)[4]
        assert 50 < len(followed) < 200
        for place in followed[::7].tolist():
            assert run.weight("w", divmod(place, 50)).values.tolist() == [place, place + 1, place + 2]


def test_runs_become_parts(tmp_path, arrays):
    start, moves, gradients = arrays
    recorded(tmp_path / "a", start, moves, gradients)
    recorded(tmp_path / "b", start[:1], moves[:3, :1], gradients[:3, :1])
    pondera.runs.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    pondera.runs.merge([tmp_path / "both", tmp_path / "a"], tmp_path / "three")
    with Run(tmp_path / "three") as run, Run(tmp_path / "b") as b:
        assert run.parts == (0, 1, 2)
        assert run.tensors(1) == {"w": (1, 50)}
        assert [run.kept(part) for part in run.parts] == [5, 3, 5]
        np.testing.assert_array_equal(run.weight("w", (0, 3), 1).values, b.weight("w", (0, 3)).values)
        assert run.tensor("w", 1).figures == b.tensor("w").figures
        assert all(path.is_file() for path in run.snapshots(1).values())
        assert len(run.steps(1).first) == 3


def trained(folder, x, y, arguments, **plan):
    """Train a little, as a command does that writes down what it was asked for."""
    about = {"arguments": arguments, "model": "model.safetensors"}
    with pondera.runs.Recorder(folder, "full", about=about) as recorder:
        recorder(0).named([f"{folder.name}{k}" for k in range(x.shape[1])], ["y"])
        network = pondera.Network.create(x.shape[1], pondera.Dense(1))
        pondera.fit(network, x, y, pondera.Plan(epochs=30, **plan), recorder=recorder)


def test_each_part_is_judged_by_its_own_plan_and_rows(tmp_path):
    x = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
    large = x * np.array([1, 1e4, 1], np.float32)
    trained(tmp_path / "a", x, x[:, 0] * x[:, 1], {"seed": 1}, learning_rate=0.001)
    trained(tmp_path / "b", large, x[:, 0] * x[:, 1], {"seed": 2}, learning_rate=0.002, optimizer="sgd", batch_size=16)
    recorded(tmp_path / "c", x, np.ones((5, 64, 3)), np.ones((5, 64, 3)))
    pondera.runs.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    pondera.runs.merge([tmp_path / "both", tmp_path / "c", tmp_path / "a"], tmp_path / "all")
    with Run(tmp_path / "all") as run:
        assert not {"arguments", "model"} & set(run.about)
        known = [Facts.of(run, part) for part in run.parts]
    assert [each.plan.get("learning_rate") for each in known] == [0.001, 0.002, None, 0.001]
    assert [each.planned for each in known] == [30, 120, 5, 30]
    assert [each.rows.get("count") for each in known] == [64, 64, None, 64]
    assert [each.column(1) for each in known] == ["'a1'", "'b1'", "column 1", "'a1'"]
    (unscaled,) = [each for each in pondera.runs.check(tmp_path / "all").findings if each.rule == "inputs not scaled"]
    assert unscaled.figures["networks"] == [1]


def test_what_runs_have_in_common_is_of_the_whole(tmp_path):
    x = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
    for name in ("first", "other"):
        trained(tmp_path / name / "run", x, x[:, 0], {"target": name})
    pondera.runs.merge([tmp_path / "first" / "run", tmp_path / "other" / "run"], tmp_path / "both")
    with Run(tmp_path / "both") as run:
        assert run.about["identity"]["plan"]["epochs"] == 30
        assert "identity.0" not in run.about


def test_what_does_not_fit_is_said_and_nothing_is_left(tmp_path, arrays):
    start, moves, gradients = arrays
    recorded(tmp_path / "a", start, moves, gradients)
    recorded(tmp_path / "b", start[:, :9], moves[:, :, :9], gradients[:, :, :9])
    with pytest.raises(RunError, match=r"w: expected shards that differ in their first axis only, found .*\(6, 9\)"):
        pondera.runs.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c", shards=True)
    assert not (tmp_path / "c" / "run.sqlite").exists()
    for folders, into in (([], "c"), (["a"], "a")):
        with pytest.raises(ArgumentError, match="merge takes the folders of some runs"):
            pondera.runs.merge([tmp_path / each for each in folders], tmp_path / into)
    with pytest.raises(RunError, match="found a run"):
        pondera.runs.merge([tmp_path / "a"], tmp_path / "b")
    with pytest.raises(RunError, match="expected shards that differ"):
        pondera.runs.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "d", shards=True, replace=True)
    recorded(tmp_path / "d", start, moves, gradients)
    with pytest.raises(RunError, match="expected shards that differ"):
        pondera.runs.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "d", shards=True, replace=True)
    with Run(tmp_path / "d") as run:
        assert (run.taken, "merged" in run.about) == (5, False)
        assert all(path.is_file() for path in run.snapshots().values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "d"]
    pondera.runs.merge([tmp_path / "a"], tmp_path / "b", replace=True)
    with Run(tmp_path / "b") as run:
        assert len(run.about["merged"]) == 1
        assert set((tmp_path / "b" / "snapshots").iterdir()) == set(run.snapshots().values())
    with pytest.raises(RunError, match="expected the folder of a run"):
        pondera.runs.merge([tmp_path / "nothing"], tmp_path / "e")


def test_epochs_are_counted_where_not_all_are_kept(tmp_path):
    for name, count in (("few", 10), ("many", 2000)):
        with RunWriter(tmp_path / name, 1 << 20) as writer:
            writer.part(0, {"w": np.zeros(2, np.float32)})
            for epoch in range(count):
                told = dict.fromkeys(("training_loss", "validation_loss", "validation_metric"))
                writer.epoch(0, epoch, {"epoch": epoch, **told})
    pondera.runs.merge([tmp_path / "few", tmp_path / "many"], tmp_path / "both")
    with Run(tmp_path / "both") as run:
        assert [run.epochs_taken(part) for part in run.parts] == [10, 2000]
