"""The hooks on an optimizer's steps, held against a stand-in for PyTorch: PyTorch itself is no dependency.

``python -m benchmarks.recording`` runs the same hooks with PyTorch, to see what they cost.
"""

import numpy as np
import pytest

from pondera.errors import ArgumentError, RunError
from pondera.recording.run import Run
from pondera.recording.torch import watch


class Tensor:
    """As much of a tensor as is looked at."""

    def __init__(self, values, dtype="torch.float32"):
        self.values, self.dtype, self.grad = np.array(values, np.float32), dtype, None

    ndim = property(lambda self: self.values.ndim)
    shape = property(lambda self: self.values.shape)

    def detach(self):
        return self

    def float(self):
        return Tensor(self.values)

    def cpu(self):
        return self

    def numpy(self):
        return self.values

    def square(self):
        return Tensor(self.values**2)

    def sum(self):
        return self.values.sum()

    def reshape(self, *shape):
        return Tensor(self.values.reshape(*shape))

    def movedim(self, source, destination):
        return Tensor(np.moveaxis(self.values, source, destination))

    def __len__(self):
        return len(self.values)

    def __getitem__(self, at):
        return Tensor(self.values[at])


class Handle:
    def __init__(self, hooks, hook):
        self.hooks, self.hook = hooks, hook
        hooks.append(hook)

    def remove(self):
        self.hooks.remove(self.hook)


class ReLU:
    def __init__(self):
        self.hooks = []

    def register_forward_hook(self, hook):
        return Handle(self.hooks, hook)

    def __call__(self, x):
        out = Tensor(np.maximum(x.values, 0))
        for hook in list(self.hooks):
            hook(self, (x,), out)
        return out


class Module:
    def __init__(self):
        self.parameters = {"module.w": Tensor([[1.0, -2.0]]), "module.frozen": Tensor([3.0], "torch.bfloat16")}
        self.act = ReLU()

    def named_parameters(self):
        return self.parameters.items()

    def named_modules(self):
        return [("", self), ("module.act", self.act)]


class Optimizer:
    def __init__(self, module):
        self.module, self.before, self.after = module, [], []
        self.param_groups = [{"lr": 0.1}, {"lr": 0.5}]

    def register_step_pre_hook(self, hook):
        return Handle(self.before, hook)

    def register_step_post_hook(self, hook):
        return Handle(self.after, hook)

    def step(self):
        for hook in list(self.before):
            hook(self, (), {})
        for tensor in self.module.parameters.values():
            if tensor.grad is not None:
                tensor.values = tensor.values - 0.5 * tensor.grad.values
        for hook in list(self.after):
            hook(self, (), {})


def test_what_is_recorded_is_what_happened(tmp_path):
    module = Module()
    optimizer = Optimizer(module)
    with watch(module, optimizer, tmp_path, "full") as watching:
        for k in range(5):
            module.act(Tensor([[-1.0, 2.0], [-3.0, 4.0 + k]]))
            module.parameters["module.w"].grad = Tensor([[3.0, 4.0]])
            watching.loss(10.0 - k)
            optimizer.step()
        watching.epoch(0, validation_loss=0.25)
    assert optimizer.before == optimizer.after == module.act.hooks == []
    optimizer.step()
    with Run(tmp_path) as run:
        assert run.state == "finished"
        assert run.tensors() == {"w": (1, 2), "frozen": (1,)}
        told = run.steps()
        assert told.losses.tolist() == [10, 9, 8, 7, 6]
        assert told.norms.tolist() == [5] * 5
        assert told.rates.tolist() == [0.5] * 5
        life = run.weight("w", (0, 1))
        assert life.values.tolist() == [-2, -4, -6, -8, -10, -12]
        assert life.gradients[:5].tolist() == [4] * 5
        assert run.weight("frozen", (0,)).values.tolist() == [3] * 6
        assert run.tensor("w").figures[0].update_squares == 1.5**2 + 2**2
        step, units = run.units("act")[2]
        assert (step, units.kind, units.silent, units.which, units.zeros) == (2, "relu", 1, (0,), 0.5)
        assert run.epochs()[0]["validation_loss"] == 0.25
        assert list(run.snapshots()) == [0]


def test_what_cannot_be_watched_is_said(tmp_path):
    module = Module()
    with pytest.raises(ArgumentError, match="takes a PyTorch module and its optimizer"):
        watch(3, Optimizer(module), tmp_path / "a")
    watch(module, Optimizer(module), tmp_path / "b").close()
    with pytest.raises(RunError, match="found a run"):
        watch(module, Optimizer(module), tmp_path / "b")
    watch(module, Optimizer(module), tmp_path / "b", replace=True).close()
    module.parameters = {}
    with pytest.raises(ArgumentError, match="no parameters"):
        watch(module, Optimizer(module), tmp_path / "c")


def test_a_loop_that_failed_leaves_a_run_that_is_not_finished(tmp_path):
    module = Module()
    optimizer = Optimizer(module)
    with pytest.raises(AttributeError), watch(module, optimizer, tmp_path):
        [optimizer.step(), optimizer.fails()]
    with Run(tmp_path) as run:
        assert run.state == "unfinished"
        assert run.taken == 1
