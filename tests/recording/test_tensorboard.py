"""Event files of TensorBoard, read and written by hand; its own reader is asked in benchmarks/companions.py."""

import contextlib
import math
import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pondera
from pondera.errors import ArgumentError, PonderaWarning, RunError
from pondera.recording.checksum import masked_crc
from pondera.recording.events import (
    LONGEST,
    Histogram,
    _bytes,
    _record,
    read_events,
    record_of,
    version_record,
)
from pondera.recording.loops import Loop
from pondera.recording.run import Run
from pondera.recording.tensorboard import _figures, _histogram

# Written by torch.utils.tensorboard: add_scalar("loss", 0.25, 3) at the time 1.0, without its first record.
SCALAR = bytes.fromhex("1a00000000000000129bd82d09000000000000f03f10032a0d0a0b0a046c6f7373150000803ecfc9b7c9")

HISTOGRAM = Histogram(-1.0, 2.0, 3.0, 1.5, 5.25, np.array([-0.5, 0.0, 0.6, 2.0]), np.array([1.0, 0.0, 1.0, 1.0]))


def event(value, step=7):
    """Give the record of an event with one summary value, as its bytes."""
    return _record(b"\x10" + bytes([step]) + _bytes(5, _bytes(1, value)))


@pytest.fixture
def file(tmp_path):
    """A function that writes records and gives the file."""

    def write(*records):
        path = tmp_path / "events.out.tfevents.1"
        path.write_bytes(b"".join(records))
        return path

    return write


def told(path):
    return list(read_events(path))


def test_what_is_written_is_read(file):
    path = file(
        version_record(1.0), record_of(1.0, 300, [("a", 0.5), ("h", HISTOGRAM)]), record_of(2.0, 301, [("a", 2)])
    )
    one, two, three = told(path)
    assert one == (300, "a", 0.5)
    assert two[:2] == (300, "h")
    assert two.value[:5] == HISTOGRAM[:5]
    np.testing.assert_array_equal(two.value.limits, HISTOGRAM.limits)
    np.testing.assert_array_equal(two.value.counts, HISTOGRAM.counts)
    assert three == (301, "a", 2)


def test_the_checksum_is_the_published_one():
    # RFC 3720, B.4: CRC-32C of 32 bytes of zeros is 0x8A9136AA, of ones 0x62A8AB43.
    for byte, crc in ((0, 0x8A9136AA), (255, 0x62A8AB43)):
        assert masked_crc(bytes([byte]) * 32) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def tensor(plugin, values, dtype):
    metadata = _bytes(9, _bytes(1, _bytes(1, plugin)))
    data = np.asarray(values, "<f4" if dtype == 1 else "<f8").tobytes()
    return _bytes(1, b"t") + metadata + _bytes(8, bytes([1 << 3, dtype]) + _bytes(4, data))


def test_figures_of_tensorflow_2_are_tensors(file):
    rows = [[0.0, 1.0, 4.0], [1.0, 3.0, 2.0]]
    one, two = told(file(event(tensor(b"scalars", [0.75], 1)), event(tensor(b"histograms", rows, 2))))
    assert one == (7, "t", 0.75)
    assert two.value[:5] == (0, 3, 6, 4 * 0.5 + 2 * 2, 4 * 0.25 + 2 * 4)
    assert told(file(event(tensor(b"text", [1.0], 1)))) == []
    assert told(file(event(tensor(b"scalars", [1.0], 1).replace(b"\x08\x01\x22", b"\x08\x07\x22")))) == []


@pytest.mark.parametrize("cut", [1, 7, 11, 12, 20, 41])
def test_a_file_that_ends_in_a_record_is_read_to_there(file, cut):
    path = file(record_of(1.0, 1, [("a", 0.5)]), record_of(1.0, 3, [("loss", 0.25)])[:cut])
    with pytest.warns(PonderaWarning, match="ends within a record"):
        assert told(path) == [(1, "a", 0.5)]


@pytest.mark.parametrize("at", [0, 3, 8, 12, 20, 40])
def test_a_damaged_byte_is_noticed(file, at):
    data = bytearray(record_of(1.0, 3, [("loss", 0.25)]))
    data[at] ^= 4
    with pytest.raises(RunError, match=r"the checksum .* is wrong"):
        told(file(bytes(data)))


def test_lengths_that_no_record_has_are_refused(file):
    length = struct.pack("<Q", LONGEST + 1)
    with pytest.raises(RunError, match="has 268,435,457 bytes; at most 268,435,456 are read"):
        told(file(length, struct.pack("<I", masked_crc(length)), b"x" * 99))
    length = struct.pack("<Q", 2**64 - 1)
    with pytest.raises(RunError, match=r"at most 268,435,456 are read"):
        told(file(length, struct.pack("<I", masked_crc(length)), b"x" * 99))


LIES = {
    "a length beyond the event": (_record(b"\x2a\xff\xff\xff\xff\x0f"), "would end"),
    "a number without end": (_record(b"\x10" + b"\xff" * 11), "more than 10 bytes"),
    "a step below 0": (_record(b"\x10" + b"\xff" * 9 + b"\x01" + _bytes(5, b"")), "its step is -1"),
    "a step of another world": (_record(b"\x10" + b"\xff" * 8 + b"\x7f" + _bytes(5, b"")), "its step is"),
    "a tag that is no text": (event(_bytes(1, b"\xff") + b"\x15\0\0\0\0"), "is no text"),
    "more limits than bins": (event(_bytes(5, _bytes(6, bytes(16)) + _bytes(7, bytes(8)))), "bins that are none"),
    "a cut list": (event(_bytes(5, _bytes(6, bytes(9)))), "is cut"),
    "fewer than no values": (
        event(_bytes(5, _bytes(6, bytes(8)) + _bytes(7, struct.pack("<d", -1)))),
        "bins that are none",
    ),
    "limits that fall": (
        event(_bytes(5, _bytes(6, struct.pack("<dd", 2, 1)) + _bytes(7, bytes(16)))),
        "bins that are none",
    ),
    "more values than there are": (event(_bytes(5, b"\x19" + struct.pack("<d", 1e300))), "more values than there are"),
    "no number of values": (event(_bytes(5, b"\x19" + struct.pack("<d", math.nan))), "more values than there are"),
    "squares below nothing": (event(_bytes(5, b"\x29" + struct.pack("<d", -1.0))), "less than nothing"),
    "a cut tensor": (event(tensor(b"scalars", [], 1) + _bytes(8, b"\x08\x01" + _bytes(4, b"abc"))), "are cut"),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_refused(file, name):
    record, message = LIES[name]
    with pytest.raises(RunError, match=message):
        told(file(record))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=120))
def test_any_bytes_with_right_checksums_end_well(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("events") / "events.out.tfevents.1"
    path.write_bytes(_record(data) + event(data) + event(_bytes(5, data)))
    with contextlib.suppress(RunError):
        told(path)


def test_what_pytorch_wrote_is_read(file):
    assert told(file(SCALAR)) == [(3, "loss", 0.25)]


@pytest.fixture
def run(tmp_path):
    """A run of three steps."""
    random = np.random.default_rng(1)
    loop, w = Loop(tmp_path / "run", "full"), random.standard_normal((40, 30))
    loop.begin({"layer.w": w})
    for step in range(3):
        after = w + 0.01 * random.standard_normal(w.shape)
        loop.point(step, {"layer.w": w}, {"layer.w": after}, {"layer.w": random.standard_normal(w.shape)})
        loop.took(step, 1 / (step + 1), 0.1, 2.0)
        w = after
    loop.epoch(0, {"training_loss": 0.5, "validation_loss": 0.75})
    loop.close(True, {"layer.w": w})
    return tmp_path / "run"


def test_a_run_comes_back(tmp_path, run):
    path = pondera.runs.to_tensorboard(run, tmp_path / "logs")
    assert path.parent == tmp_path / "logs"
    pondera.runs.from_tensorboard(tmp_path / "logs", tmp_path / "back", validation_loss="epoch/validation_loss")
    with Run(run) as one, Run(tmp_path / "back") as other:
        for name in ("first", "losses", "rates", "norms"):
            assert getattr(other.steps(), name).tolist() == getattr(one.steps(), name).tolist()
        assert other.epochs()[0]["validation_loss"] == 0.75
        assert other.about["tags"]["norm"] == "gradient norm"
        assert "update ratio/layer.w" in other.about["tags"]["others"]
        first, second = one.tensor("layer.w").figures[2], other.tensor("layer.w").figures[2]
        assert other.tensor("layer.w").shape == (1200,)
        for name in ("count", "low", "high", "total", "squares"):
            assert getattr(first, name) == getattr(second, name)
        np.testing.assert_array_equal(first.spread.bins, second.spread.bins)
        np.testing.assert_array_equal(first.spread.counts, second.spread.counts)
        assert math.isnan(second.distance)
    assert isinstance(pondera.runs.check(tmp_path / "back"), pondera.runs.Health)


def test_bins_of_others_are_spread_over_ours():
    found = _figures(HISTOGRAM, None)
    assert found.spread.counts.sum() == 3
    low, high = found.spread.edges
    assert low.min() >= -1.0000001
    assert high.max() <= 2.5


def test_what_is_not_finite_stays_out():
    w = np.array([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -3.0, 1e-42])
    found = _histogram(pondera.recording.figures.TensorFigures.of(w, w, w, None))
    assert (found.low, found.high, found.number) == (-3, 1, 5)
    assert found.counts.sum() == 5
    assert (np.diff(found.limits) >= 0).all()
    assert np.isfinite(found.limits).all()
    nothing = _histogram(pondera.recording.figures.TensorFigures.of(w[:1], w[:1], w[:1], None))
    assert (nothing.number, nothing.counts.tolist()) == (0, [0])


def test_gradients_find_their_tensors(tmp_path):
    logs = tmp_path / "logs" / "train"
    logs.mkdir(parents=True)
    tags = ["a.weight", "a.weight.grad", "gradients/lonely"]
    record = record_of(1.0, 5, [(tag, HISTOGRAM) for tag in tags] + [("epoch_loss", 0.5)])
    (logs / "events.out.tfevents.2").write_bytes(version_record(1.0) + record)
    pondera.runs.from_tensorboard(logs, tmp_path / "a")
    pondera.runs.from_tensorboard(tmp_path / "logs", tmp_path / "b")
    with Run(tmp_path / "a") as one, Run(tmp_path / "b") as other:
        assert list(one.tensors()) == ["a.weight", "gradients/lonely"]
        assert one.tensor("a.weight").figures[0].gradient_norm == math.sqrt(5.25)
        assert math.isnan(one.tensor("gradients/lonely").figures[0].gradient_norm)
        assert other.about["tags"]["loss"] == "train/epoch_loss"
        assert (one.steps().first.tolist(), one.steps().losses.tolist()) == ([5], [0.5])


def test_what_cannot_be_imported_is_said(tmp_path, run):
    with pytest.raises(RunError, match="expected event files of TensorBoard, found none"):
        pondera.runs.from_tensorboard(tmp_path, tmp_path / "a")
    pondera.runs.to_tensorboard(run, tmp_path / "logs")
    with pytest.raises(ArgumentError, match=r"Unknown scalar 'los'\. Did you mean 'loss'\?"):
        pondera.runs.from_tensorboard(tmp_path / "logs", tmp_path / "a", loss="los")
    assert not (tmp_path / "a").exists()
    with pytest.raises(RunError, match="Got network 3"):
        pondera.runs.to_tensorboard(run, tmp_path / "logs", part=3)
    (tmp_path / "a-file").touch()
    with pytest.raises(RunError, match="expected a folder, or a place for one, found a file"):
        pondera.runs.to_tensorboard(run, tmp_path / "a-file")
    loop = Loop(tmp_path / "idle")
    loop.begin({"w": np.ones(1)})
    loop.close(True)
    with pytest.raises(RunError, match="no step was recorded, so there is nothing to write"):
        pondera.runs.to_tensorboard(tmp_path / "idle", tmp_path / "b")
    assert not (tmp_path / "b").exists()
    with pytest.raises(RunError, match="found a run"):
        pondera.runs.from_tensorboard(tmp_path / "logs", run)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "events.out.tfevents.1").write_bytes(version_record(1.0))
    with pytest.raises(RunError, match="expected scalars or histograms of TensorBoard, found none"):
        pondera.runs.from_tensorboard(tmp_path / "empty", tmp_path / "a")


def test_what_cannot_be_read_replaces_nothing(tmp_path, run):
    record = bytearray(record_of(1.0, 3, [("loss", 0.25)]))
    record[-6] ^= 1
    (tmp_path / "events.out.tfevents.1").write_bytes(record)
    with pytest.raises(RunError, match="The file is damaged"):
        pondera.runs.from_tensorboard(tmp_path / "events.out.tfevents.1", run, replace=True)
    with Run(run) as found:
        assert found.taken == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.out.tfevents.1", "run"]


def test_tags_that_mean_one_tensor_stay_two(tmp_path, file):
    path = file(record_of(1.0, 0, [("w", HISTOGRAM), ("weights/w", HISTOGRAM)]))
    pondera.runs.from_tensorboard(path, tmp_path / "a")
    with Run(tmp_path / "a") as found:
        assert list(found.tensors()) == ["w", "weights/w"]


def test_numbers_beyond_single_precision_are_infinite(file):
    path = file(record_of(1.0, 0, [("a", 1e300), ("b", -1e300), ("c", math.nan), ("d", math.inf)]))
    assert [each.value for each in told(path)][:2] == [math.inf, -math.inf]
    assert math.isnan(told(path)[2].value)


def test_one_record_is_in_memory_at_a_time(file):
    record = record_of(1.0, 0, [("a", 0.5)]) + _record(_bytes(3, bytes(50_000)))
    path = file(*[record] * 20)
    tracemalloc.start()
    for _ in read_events(path):
        pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 500_000
    assert path.stat().st_size > 1_000_000


def test_a_training_loss_that_nobody_told_is_that_of_the_steps(tmp_path, file):
    losses = [2.0 * 0.5**k for k in range(20)]
    held = [1 + abs(k - 6) / 5 for k in range(20)]  # on held-out rows it rises again: overfitting
    path = file(*(record_of(1.0, k, [("loss", losses[k]), ("val_loss", held[k])]) for k in range(20)))
    pondera.runs.from_tensorboard(path, tmp_path / "a")
    found = {each.rule: each for each in pondera.runs.check(tmp_path / "a").findings}
    overfitting = next(each for rule, each in found.items() if rule.endswith("overfitting"))
    assert overfitting.figures["epoch"] == 7
    assert "from 0.03125 to" in overfitting.statement


@pytest.mark.parametrize("held_out", [True, False])
def test_epochs_come_back(tmp_path, held_out):
    x = np.random.default_rng(0).normal(size=(64, 3))
    with pondera.runs.Recorder(tmp_path / "run") as recorder:
        plan = pondera.Plan(epochs=3, batch_size=16)
        share = 0.25 if held_out else None
        pondera.fit(pondera.Network.create(3, pondera.Dense(1)), x, x[:, 0], plan, validation=share, recorder=recorder)
    pondera.runs.to_tensorboard(tmp_path / "run", tmp_path / "logs")
    pondera.runs.from_tensorboard(tmp_path / "logs", tmp_path / "back")
    with Run(tmp_path / "run") as one, Run(tmp_path / "back") as other:
        assert len(one.epochs()) == 3
        for before, after in zip(one.epochs(), other.epochs(), strict=True):
            known = {name: value for name, value in before.items() if value is not None}
            assert {name: after[name] for name in known} == pytest.approx(known)
            assert (after["validation_loss"] is None) != held_out


def test_what_others_tell_of_epochs_makes_none(tmp_path, file):
    """They may count in epochs: only what is held out, by the step, tells where one ended."""
    path = file(
        *(record_of(1.0, k, [("loss", 1.0)]) for k in range(20)),
        *(record_of(1.0, k, [("val_loss", 0.5)]) for k in (9, 19)),
        *(record_of(1.0, k, [("epoch/accuracy", 0.5)]) for k in range(2)),
    )
    pondera.runs.from_tensorboard(path, tmp_path / "a")
    with Run(tmp_path / "a") as found:
        assert [each["step"] for each in found.epochs()] == [10, 20]
        assert found.about["tags"]["others"] == ["epoch/accuracy"]


def test_a_run_that_is_written_twice_is_there_once(tmp_path, run):
    first = pondera.runs.to_tensorboard(run, tmp_path / "logs")
    second = pondera.runs.to_tensorboard(run, tmp_path / "logs")
    assert first == second
    assert list((tmp_path / "logs").iterdir()) == [first]
    began = [each for each in first.name.split(".") if each.isdigit()]
    with Run(run) as found:
        assert time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(int(began[0]))) == found.about["began"][:19]


def test_histograms_alone_make_a_run(tmp_path, file):
    path = file(record_of(1.0, 0, [("w", HISTOGRAM)]), record_of(1.0, 9, [("w", HISTOGRAM), ("", 0.5)]))
    pondera.runs.from_tensorboard(path, tmp_path / "a")
    with Run(tmp_path / "a") as found:
        assert found.about["tags"]["loss"] is None  # a scalar without a name is none
        assert found.taken == 10
        assert np.isnan(found.steps().losses).all()
    assert pondera.runs.check(tmp_path / "a").steps == 10


def test_between_steps_that_are_told_of_none_is_made_of_a_histogram(tmp_path, file):
    told = [record_of(1.0, step, [("loss", 0.5)]) for step in (0, 4, 8)]
    path = file(*told, *(record_of(1.0, step, [("weights/w", HISTOGRAM)]) for step in (0, 3, 9)))
    pondera.runs.from_tensorboard(path, tmp_path / "a")
    with Run(tmp_path / "a") as found:
        assert found.steps().first.tolist() == [0, 4, 8, 9]  # the last one says how far it came
        assert np.isnan(found.steps().losses).tolist() == [False, False, False, True]
        assert found.tensor("w").steps.tolist() == [0, 3, 9]


def test_scalars_that_are_no_loss_are_named(tmp_path, file):
    path = file(record_of(1.0, 0, [("reward", 1.0), ("length", 2.0)]))
    with pytest.raises(ArgumentError, match="name it: length, reward"):
        pondera.runs.from_tensorboard(path, tmp_path / "a")
    pondera.runs.from_tensorboard(path, tmp_path / "a", loss="reward")


def test_many_bins_take_little_memory(tmp_path, file):
    count = 100_000
    many = Histogram(0.0, 1.0, count, 1.0, 1.0, np.linspace(0, 1, count), np.ones(count))
    path = file(record_of(1.0, 0, [("w", many)]))
    tracemalloc.start()
    pondera.runs.from_tensorboard(path, tmp_path / "a")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 12 * path.stat().st_size
    with Run(tmp_path / "a") as found:
        assert found.tensor("w").figures[0].spread.counts.sum() == count
