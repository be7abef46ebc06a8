import numpy as np
import pytest
from safetensors.numpy import save_file

from pondera.errors import ArgumentError
from pondera.reading.timeline import find_checkpoints, timeline
from pondera.reading.timeline.checkpoints import natural


def states(count, seed=0):
    """A network with an embedding that never moves, and two layers that do."""
    random = np.random.default_rng(seed)
    state = {
        "embed.weight": random.normal(size=(20, 8)).astype(np.float32),
        "layers.0.weight": random.normal(size=(8, 8)).astype(np.float32),
        "layers.1.weight": random.normal(size=(8, 8)).astype(np.float32),
    }
    found = []
    for at in range(count):
        found.append({name: array.copy() for name, array in state.items()})
        state["layers.0.weight"] = state["layers.0.weight"] * np.float32(1.1)
        if at % 2:
            state["layers.1.weight"] = state["layers.1.weight"] + np.float32(0.01)
    return found


@pytest.fixture
def folder(tmp_path):
    for at, arrays in enumerate(states(4)):
        save_file(arrays, tmp_path / f"step-{5 * 10**at}.safetensors")
    return tmp_path


def test_figures_are_numpys(folder):
    found = timeline(find_checkpoints(folder))
    assert found.names == tuple(f"step-{each}.safetensors" for each in (5, 50, 500, 5000))
    every = states(4)
    for name, figures in found.tensors.items():
        for at, each in enumerate(figures):
            now, before, first = (
                state[name].astype(np.float64) for state in (every[at], every[max(at - 1, 0)], every[0])
            )
            assert each.norm == pytest.approx(np.linalg.norm(now), rel=1e-12)
            if at == 0:
                assert each.from_previous is None
                assert each.from_first is None
                continue
            assert each.from_previous == pytest.approx(np.linalg.norm(now - before) / np.linalg.norm(before), abs=1e-12)
            assert each.from_first == pytest.approx(np.linalg.norm(now - first) / np.linalg.norm(first), abs=1e-12)
    now, first = (np.concatenate([array.reshape(-1) for array in every[at].values()]).astype(float) for at in (3, 0))
    assert found.whole[3].from_first == pytest.approx(np.linalg.norm(now - first) / np.linalg.norm(first), rel=1e-12)
    assert list(found.parts) == ["embed", "layers.0", "layers.1"]
    assert found.changed == {"embed.weight": 0, "layers.0.weight": 3, "layers.1.weight": 1}


def test_json(folder):
    found = timeline(find_checkpoints(folder)).to_json()
    assert [each["name"] for each in found["checkpoints"]][-1] == "step-5000.safetensors"
    tensors = {each["name"]: each for each in found["tensors"]}
    assert {name for name, each in tensors.items() if each["never_moved"]} == {"embed.weight"}
    assert [finding["rule"] for finding in found["findings"]] == ["never moved"]
    assert found["checkpoints"][1]["parts"]["layers.0"]["from_previous"] == pytest.approx(0.1, rel=1e-6)


def test_natural_order():
    names = [
        "checkpoint-1000",
        "checkpoint-20",
        "epoch=2-step=30",
        "epoch=10-step=3",
        "a",
        "B",
        "step-007",
        "step-7b",
        "²",
    ]
    assert sorted(names, key=natural)[:4] == ["a", "B", "checkpoint-20", "checkpoint-1000"]
    assert natural("epoch=2-step=30") < natural("epoch=10-step=3")


def test_folders_of_checkpoints_and_what_is_none(tmp_path):
    for at, arrays in enumerate(states(2)):
        place = tmp_path / f"checkpoint-{(at + 1) * 50}"
        place.mkdir()
        save_file(arrays, place / "model.safetensors")
        (place / "optimizer.pt").write_bytes(b"not looked at")
    (tmp_path / "readme.md").write_text("hello")
    (tmp_path / "broken.safetensors").write_bytes(b"\x10" + bytes(7) + b"{")
    (tmp_path / "runs").mkdir()
    (tmp_path / "optimizer.pt").write_bytes(b"PK")
    (tmp_path / ".hidden").write_text("x")
    series = find_checkpoints(tmp_path)
    assert series.names == ("checkpoint-50", "checkpoint-100")
    assert series.left_out.keys() == {"readme.md", "broken.safetensors", "runs", "optimizer.pt"}
    (finding,) = (each for each in timeline(series).findings if each.rule == "left out")
    assert "readme.md (expected a file of weights" in finding.statement
    assert all(f"{name} (" in finding.statement for name in series.left_out)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two(tmp_path, count):
    for arrays in states(count):
        save_file(arrays, tmp_path / "only.safetensors")
    (tmp_path / "log.txt").write_text("x")
    with pytest.raises(ArgumentError, match=rf"at least two checkpoints to follow, found {count}\. Left out: log\.txt"):
        find_checkpoints(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(ArgumentError, match="found nothing there"):
        find_checkpoints(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="found a file"):
        find_checkpoints(tmp_path / "file")


def test_not_a_number_appears(tmp_path):
    every = states(3)
    every[2]["layers.1.weight"][3, 4] = np.nan
    for at, arrays in enumerate(every):
        save_file(arrays, tmp_path / f"{at}.safetensors")
    found = timeline(find_checkpoints(tmp_path))
    (finding,) = (each for each in found.findings if each.rule == "not finite")
    assert finding.statement == "NaN or infinity appears in 2.safetensors: in layers.1.weight."
    assert found.whole[2].broken == 1
    assert np.isfinite(found.whole[2].norm)


def test_a_norm_is_the_tensors_own(tmp_path):
    """Where the checkpoint before has NaN, the values at its places count all the same."""
    for at, values in enumerate(([3.0, 4.0], [np.nan, 4.0], [3.0, 4.0])):
        save_file({"w": np.array([values], np.float32)}, tmp_path / f"{at}.safetensors")
    found = timeline(find_checkpoints(tmp_path))
    assert [each.norm for each in found.tensors["w"]] == [5.0, 4.0, 5.0]
    assert [each.broken for each in found.tensors["w"]] == [0, 1, 0]
    assert found.changed == {"w": 2}


def test_a_tensor_that_a_checkpoint_leaves_out(tmp_path):
    for at, arrays in enumerate(({"w": 1.0, "head": 2.0}, {"w": 1.0}, {"w": 1.0, "head": 3.0, "new": 1.0})):
        save_file({k: np.full((1, 1), v, np.float32) for k, v in arrays.items()}, tmp_path / f"{at}.safetensors")
    found = timeline(find_checkpoints(tmp_path))
    head = found.tensors["head"]
    assert head[1] is None
    assert (head[2].from_previous, head[2].from_first) == (0.5, 0.5)
    assert found.changed == {"w": 0, "head": 1, "new": None}
    told = {each["name"]: each["never_moved"] for each in found.to_json()["tensors"]}
    assert told == {"w": True, "head": False, "new": None}
    assert found.whole[0].from_first is None
    (finding,) = (each for each in found.findings if each.rule == "never moved")
    assert finding.statement == "1 of 2 tensors never moved: w."


def test_the_order_of_the_training(tmp_path):
    first, second, third = states(3)
    for arrays, name, step in ((second, "b", "20"), (first, "c", "3"), (third, "a", "100")):
        save_file(arrays, tmp_path / f"{name}.safetensors", {"step": step})
    series = find_checkpoints(tmp_path)
    assert series.names == ("c.safetensors", "b.safetensors", "a.safetensors")
    assert series.unordered == ()


def test_a_checkpoint_whose_place_nothing_tells(tmp_path):
    for arrays, name in zip(states(3), ("step-9", "step-10", "best"), strict=True):
        save_file(arrays, tmp_path / f"{name}.safetensors")
    series = find_checkpoints(tmp_path)
    assert series.names == ("step-9.safetensors", "step-10.safetensors", "best.safetensors")
    (finding,) = (each for each in timeline(series).findings if each.rule == "order not known")
    assert finding.statement.startswith("Nothing tells the place of best.safetensors in the training")
    assert finding.statement.endswith("It is shown apart, beside the first checkpoint.")
    found = timeline(series)
    assert found.placed == 2
    assert found.changed == {"embed.weight": 0, "layers.0.weight": 1, "layers.1.weight": 0}  # from step 9 to 10
    assert [each.from_previous is None for each in found.whole] == [True, False, True]
    assert found.whole[2].from_first > found.whole[1].from_first
    assert [each["placed"] for each in found.to_json()["checkpoints"]] == [True, True, False]


def test_where_nothing_tells_a_place_names_order(tmp_path):
    for arrays, name in zip(states(3), ("a", "b", "c"), strict=True):
        save_file(arrays, tmp_path / f"{name}.safetensors")
    found = timeline(tmp_path)
    assert found.placed == 3
    assert found.whole[2].from_previous > 0
    assert next(each for each in found.findings if each.rule == "order not known").statement.endswith("come last.")


def test_a_tensor_that_only_a_copy_has(tmp_path):
    for arrays, name in zip(states(3), ("step-9", "step-10", "best"), strict=True):
        extra = {"head": np.ones(3, np.float32), "embed.weight": np.ones(2, np.float32)} if name == "best" else {}
        save_file({**arrays, **extra}, tmp_path / f"{name}.safetensors")
    found = timeline(tmp_path)
    assert found.changed["head"] is None
    assert found.tensors["embed.weight"][2].from_first is None


def test_different_architectures(tmp_path):
    every = states(3)
    every[1]["head"] = np.ones(3, np.float32)
    every[2]["layers.0.weight"] = np.ones((2, 2), np.float32)
    for at, arrays in enumerate(every):
        save_file(arrays, tmp_path / f"{at}.safetensors")
    found = timeline(find_checkpoints(tmp_path))
    (finding,) = (each for each in found.findings if each.rule == "different architectures")
    assert finding.figures["checkpoints"] == ["1.safetensors", "2.safetensors"]
    save_file({"other": np.ones(3)}, tmp_path / "1.safetensors")
    save_file({"another": np.ones(3)}, tmp_path / "2.safetensors")
    with pytest.raises(ArgumentError, match="different architectures"):
        timeline(find_checkpoints(tmp_path))


def test_parts_of_one_sharded_model_are_no_series(tmp_path):
    for at, arrays in enumerate(({"a.weight": np.ones((2, 2))}, {"b.weight": np.ones((2, 3))})):
        save_file(arrays, tmp_path / f"model-0000{at + 1}-of-00002.safetensors")
    with pytest.raises(ArgumentError, match=r"expected at least two checkpoints to follow, found 0.*model-00001-of"):
        find_checkpoints(tmp_path)


def test_another_checkpoint_of_the_same_step_is_no_step(tmp_path):
    for at, arrays in enumerate(states(4)):
        save_file(arrays, tmp_path / f"epoch_{at + 1}_bf16.safetensors")
        save_file(arrays, tmp_path / f"epoch_{at + 1}_bf16_ema.safetensors")
    found = timeline(tmp_path)
    assert found.placed == 4
    assert found.names[:4] == tuple(f"epoch_{at}_bf16.safetensors" for at in range(1, 5))
    (said,) = [finding for finding in found.findings if finding.rule == "copies"]
    assert said.figures["copies"]["epoch_2_bf16_ema.safetensors"] == "epoch_2_bf16.safetensors"


def test_a_part_that_the_last_checkpoint_has_not(tmp_path):
    some = states(3)
    for at, arrays in enumerate(some):
        more = {"old.weight": np.ones((2, 2), np.float32)} if at < 2 else {}
        save_file(arrays | more, tmp_path / f"step-{at}.safetensors")
    last = timeline(tmp_path).to_json()["checkpoints"][-1]["parts"]
    assert last["old"]["norm"] is None
    assert last["embed"]["norm"] > 0
