"""Checks what needs libraries that are no dependencies of Pondera: PyTorch, Keras and TensorBoard.

Run ``python -m benchmarks.companions``; it prints a line a check and fails with the first that does not hold. Keras
computes with what ``KERAS_BACKEND`` says, else with JAX.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pondera.errors import PonderaWarning

os.environ.setdefault("KERAS_BACKEND", "jax")


def watched(model: Any, optimizer: Any, folder: Path, batch: Callable[[], Any], outer: Any = None) -> Any:
    """Train a module that is watched at level ``"full"`` for 12 steps, and return its run."""
    import pondera

    with pondera.watch(model if outer is None else outer, optimizer, folder, "full") as watching:
        for _ in range(12):
            optimizer.zero_grad()
            loss = batch()
            loss.backward()
            watching.loss(loss)
            optimizer.step()
    return pondera.runs.open(folder)


def pictures(model: Any) -> Callable[[], Any]:
    """Return a function that gives the loss of one batch of random pictures."""
    import torch

    def batch() -> Any:
        found = model(torch.randn(16, 1, 8, 8))
        return torch.nn.functional.cross_entropy(found, torch.randint(0, 3, (16,)))

    return batch


def convolutional() -> Any:
    import torch

    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 36, 3))


def whole_norm(run: Any, step: int) -> float:
    """Return the norm of all gradients of a step, from those of the tensors."""
    squares = [run.tensor(name).figures[step].gradient_squares for name in run.tensors()]
    return math.sqrt(sum(each for each in squares if math.isfinite(each)))


def check_every_kind_of_parameter(folder: Path) -> None:
    """Recurrent, attention, tied and frozen ones, to the bit at the end."""
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            nn = torch.nn
            self.embedding = nn.Embedding(20, 16)
            self.recurrent = nn.LSTM(16, 16, batch_first=True)
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
            self.hidden, self.tanh = nn.Linear(16, 16).requires_grad_(False), nn.Tanh()
            self.out = nn.Linear(16, 20)
            self.out.weight = self.embedding.weight

        def forward(self, x: Any) -> Any:
            h, _ = self.recurrent(self.embedding(x))
            return self.out(self.tanh(self.hidden(self.attention(h, h, h)[0])))

    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)

    def batch() -> Any:
        x = torch.randint(0, 20, (8, 12))
        return torch.nn.functional.cross_entropy(model(x).flatten(0, 1), x.flatten())

    run = watched(model, optimizer, folder, batch)
    expected = {name: tuple(each.shape) for name, each in model.named_parameters()}
    assert run.tensors() == expected, run.tensors()
    assert "attention.in_proj_weight" in expected
    assert "out.weight" not in expected, "a tied parameter is there once"
    for name, each in model.named_parameters():
        last = each.detach().numpy()[(0,) * each.ndim]
        assert run.weight(name, (0,) * each.ndim).values[-1] == last, name
    for step in range(12):
        assert math.isclose(whole_norm(run, step), run.steps().norms[step], rel_tol=1e-5)
    assert run.tensor("hidden.weight").figures[5].update_squares == 0
    assert run.units("tanh")[0][1].rows == 96
    run.close()


def check_halves(folder: Path) -> None:
    """bfloat16 and float16 parameters are recorded as float32."""
    import torch

    for dtype in (torch.bfloat16, torch.float16):
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).to(dtype)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def batch(model: Any = model, dtype: Any = dtype) -> Any:
            return model(torch.randn(16, 1, 8, 8, dtype=dtype)).float().square().mean()

        run = watched(model, optimizer, folder / str(dtype), batch)
        assert run.tensor("1.weight").dtype == "float32"
        assert run.weight("1.weight", (1, 2)).values[-1] == float(model[1].weight[1, 2])
        run.close()


def check_compiled(folder: Path) -> None:
    """A compiled module keeps its names; where the whole step is compiled, its hooks see it all the same."""
    import torch

    import pondera

    model = convolutional()
    compiled = torch.compile(model, backend="eager")
    optimizer = torch.optim.Adam(model.parameters())
    run = watched(model, optimizer, folder / "module", pictures(compiled), outer=compiled)
    assert list(run.tensors()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert run.layers() == []
    assert len(run.tensor("0.weight").figures) == 12
    run.close()
    batch = pictures(model)

    @torch.compile(backend="eager")
    def step() -> Any:
        optimizer.zero_grad()
        loss = batch()
        loss.backward()
        optimizer.step()
        return loss

    with pondera.watch(model, optimizer, folder / "step", "full") as watching:
        for _ in range(4):
            watching.step(loss=step())
    with pondera.runs.open(folder / "step") as run:
        assert run.taken == 4
        assert np.isfinite(run.steps().losses).all()
        assert all(each.update_ratio > 0 for each in run.tensor("0.weight").figures)


def check_outputs(folder: Path) -> None:
    """What layers made of a batch, before an activation that works in place."""
    import torch

    model = convolutional()
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), folder, pictures(model))
    assert run.layers() == ["0", "1", "3"]
    before, after = run.units("0")[0][1], run.units("1")[0][1]
    assert (before.zeros, before.units, before.rows) == (0, 4, 512)
    assert 0.1 < after.zeros < 0.9
    run.close()


def check_closures_and_scaling(folder: Path) -> None:
    """Gradients that a closure computes, sparse ones, and those that a fused optimizer is yet to scale."""
    import torch

    import pondera

    model = convolutional()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    batch = pictures(model)
    with pondera.watch(model, optimizer, folder / "closure", "full") as watching:

        def closure() -> Any:
            optimizer.zero_grad()
            loss = batch()
            loss.backward()
            watching.loss(loss)
            return loss

        for _ in range(3):
            optimizer.step(closure)
    with pondera.runs.open(folder / "closure") as run:
        rate, figures = 0.1, run.tensor("3.weight").figures[0]  # of plain descent the update is the gradient's
        assert math.isclose(rate * figures.gradient_norm, math.sqrt(figures.update_squares), rel_tol=1e-5)
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with pondera.watch(model, optimizer, folder / "scaled", "full"):
        optimizer.zero_grad()
        scaler.scale(batch()).backward()
        true = math.sqrt(sum(float((each.grad / 1024).square().sum()) for each in model.parameters()))
        scaler.step(optimizer)
    with pondera.runs.open(folder / "scaled") as run:
        assert math.isclose(run.steps().norms[0], true, rel_tol=1e-5)
        assert math.isclose(whole_norm(run, 0), true, rel_tol=1e-5)
    sparse = torch.nn.Sequential(torch.nn.Embedding(50, 4, sparse=True), torch.nn.Flatten(), torch.nn.Linear(12, 3))
    optimizer = torch.optim.SGD(sparse.parameters(), 0.1)
    run = watched(sparse, optimizer, folder / "sparse", lambda: sparse(torch.randint(0, 50, (8, 3))).square().mean())
    assert math.isclose(whole_norm(run, 3), run.steps().norms[3], rel_tol=1e-5)
    run.close()


def check_many_devices(folder: Path) -> None:
    """Modules wrapped for many processes, and parameters of which each process has a shard."""
    import torch
    from torch.distributed.fsdp import fully_shard

    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=0, world_size=1)
    model = convolutional()
    wrapped = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(wrapped.parameters(), 0.1)
    run = watched(model, optimizer, folder / "data", pictures(wrapped), outer=wrapped)
    assert list(run.tensors()) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    run.close()
    model = convolutional()
    fully_shard(model, mesh=torch.distributed.init_device_mesh("cpu", (1,)))
    run = watched(model, torch.optim.SGD(model.parameters(), 0.1), folder / "shards", pictures(model))
    assert math.isclose(whole_norm(run, 3), run.steps().norms[3], rel_tol=1e-5)
    run.close()
    torch.distributed.destroy_process_group()


def check_modules_that_are_gone(folder: Path) -> None:
    """Nothing is kept in memory by a watch, and a run that nobody closed can be read."""
    import torch

    import pondera

    model = convolutional()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    watching = pondera.watch(model, optimizer, folder)
    pictures(model)().backward()
    optimizer.step()
    recording = watching.recording
    del watching, model, optimizer
    gc.collect()
    assert not recording.open
    with pondera.runs.open(folder) as run:
        assert run.taken == 1


def check_explanations(_: Path) -> None:
    """A module is explained; shuffling its weights leaves it as it is, and tells methods that look at it."""
    import torch

    import pondera
    from pondera.errors import ArgumentError
    from pondera.explaining.adapters import of_torch
    from pondera.explaining.reliability.sanity import shuffled

    torch.manual_seed(0)
    nn, x = torch.nn, np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    module = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1)).eval()
    subject = of_torch(module)
    before = subject.outputs(x)
    assert subject.changed is not None
    other = subject.changed(shuffled(1))
    assert np.abs(other.outputs(x) - before).max() > 0.1
    np.testing.assert_array_equal(subject.outputs(x), before)
    np.testing.assert_array_equal(subject.changed(lambda value: value).outputs(x), before)
    step = np.eye(3, dtype=np.float32)[0] * 1e-2
    slope = (other.outputs(x + step) - other.outputs(x - step)) / 2e-2
    assert other.slopes is not None
    np.testing.assert_allclose(other.slopes(x, np.ones((300, 1)))[:, 0], slope[:, 0], atol=1e-2)
    found = pondera.explain(module, x, before[:, 0], methods=["permutation", "gradient_input"])
    assert all(each.sanity is not None and each.sanity.sees_network for each in found.results.values())
    constant = pondera.explain(nn.Flatten().eval(), x, methods=["gradient_input"])
    assert constant.results["gradient_input"].sanity is None  # without weights there is nothing to shuffle
    refused = ""
    try:
        pondera.explain(module.train(), x)
    except ArgumentError as error:
        refused = str(error)
    assert "Call its eval" in refused


def check_events_that_others_wrote(folder: Path) -> None:
    """Event files of PyTorch's writer become a run."""
    import torch
    from torch.utils.tensorboard import SummaryWriter

    import pondera

    values = [torch.randn(1000) * (step + 1) for step in range(4)]
    with SummaryWriter(str(folder / "logs")) as writer:
        for step, each in enumerate(values):
            writer.add_scalar("Loss/train", 1 / (step + 1), step)
            writer.add_histogram("layer.weight", each, step)
            writer.add_histogram("layer.weight/grad", each / 2, step)
            writer.add_text("note", "passed over", step)
    pondera.runs.from_tensorboard(folder / "logs", folder / "run")
    with pondera.runs.open(folder / "run") as run:
        assert np.allclose(run.steps().losses, 1 / np.arange(1, 5))
        assert list(run.tensors()) == ["layer.weight"]
        for each, figures in zip(values, run.tensor("layer.weight").figures, strict=True):
            assert math.isclose(figures.norm, float(each.norm()), rel_tol=1e-5)
            assert math.isclose(figures.gradient_norm, float(each.norm()) / 2, rel_tol=1e-5)
            assert figures.spread.counts.sum() == 1000


def check_events_that_tensorboard_reads(folder: Path) -> None:
    """TensorBoard reads what a run is written as."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    import pondera
    from pondera.recording.loops import Loop

    loop, w = Loop(folder / "run", "full"), np.random.default_rng(0).standard_normal(1000)
    loop.begin({"w": w})
    for step in range(5):
        loop.point(step, {"w": w}, {"w": w}, {"w": w})
        loop.took(step, 1 / (step + 1), 0.1, 2.0)
    loop.close(True)
    pondera.runs.to_tensorboard(folder / "run", folder / "logs")
    found = EventAccumulator(str(folder / "logs")).Reload()
    assert [each.value for each in found.Scalars("gradient norm")] == [2.0] * 5
    assert np.allclose([each.value for each in found.Scalars("loss")], 1 / np.arange(1, 6))
    (*_, last) = found.Histograms("weights/w")
    told = last.histogram_value
    assert (last.step, told.num, told.min, told.max) == (4, 1000, w.min(), w.max())
    assert math.isclose(told.sum_squares, float(w @ w), rel_tol=1e-9)
    assert sum(told.bucket) == 1000


def check_callback(folder: Path) -> None:
    """Weights and losses of Keras as they are, whatever computes."""
    import keras

    import pondera
    from pondera.recording.keras import callback

    random = np.random.default_rng(0)
    x = random.standard_normal((256, 5)).astype(np.float32)
    layers = [keras.layers.Dense(8, "tanh"), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 8, 0.5)), "mse")
    start = [np.array(each) for each in model.get_weights()]
    told = model.fit(
        x, x[:, :1] * 2, epochs=3, batch_size=32, verbose=0, validation_split=0.25, callbacks=[callback(folder, "full")]
    )
    with pondera.runs.open(folder) as run:
        assert run.state == "finished"
        assert run.taken == 18
        assert np.allclose(run.steps().rates, 0.1 * 0.5 ** (np.arange(18) / 8), rtol=1e-5)
        assert np.allclose(run.steps().losses.reshape(3, 6).mean(axis=1), told.history["loss"], rtol=1e-4)
        assert [each["validation_loss"] for each in run.epochs()] == told.history["val_loss"]
        paths = [each.path for each in model.weights]
        assert list(run.tensors()) == paths, run.tensors()
        for path, first, last in zip(paths, start, model.get_weights(), strict=True):
            index = (0,) * first.ndim
            assert run.weight(path, index).values[[0, -1]].tolist() == [first[index], last[index]]
        known = math.isfinite(run.tensor(paths[0]).figures[3].gradient_norm)
        assert known == (keras.backend.backend() == "torch")


CHECKS: dict[str, tuple[Callable[[Path], None], ...]] = {
    "torch": (
        check_every_kind_of_parameter,
        check_halves,
        check_compiled,
        check_outputs,
        check_closures_and_scaling,
        check_many_devices,
        check_modules_that_are_gone,
        check_explanations,
    ),
    "keras": (check_callback,),
    "tensorboard": (check_events_that_others_wrote, check_events_that_tensorboard_reads),
}
"""Library -> its checks."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(CHECKS), help="one library")
    only = parser.parse_args().only
    for library, checks in CHECKS.items():
        for check in checks if only in (None, library) else ():
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("error", category=PonderaWarning)
                check(Path(folder))
            print(f"{library}: {check.__name__.removeprefix('check_').replace('_', ' ')}: as it should be", flush=True)


if __name__ == "__main__":
    main()
