"""As much of PyTorch as watching a module takes, on NumPy: tests of the real one are in benchmarks/companions.py."""

import types

import numpy as np


class Tensor:
    """Values that behave as a tensor's do."""

    is_meta = is_sparse = False

    def __init__(self, values, dtype="torch.float32"):
        self.values, self.dtype, self.grad = np.asarray(values, np.float32), dtype, None

    shape = property(lambda self: self.values.shape)
    ndim = property(lambda self: self.values.ndim)
    device = "cpu"

    def detach(self):
        return self

    cpu = to = lambda self, *_: self

    def float(self):
        return Tensor(self.values)

    def numpy(self):
        return self.values

    def numel(self):
        return self.values.size

    def reshape(self, *shape):
        return Tensor(self.values.reshape(*shape), self.dtype)

    def movedim(self, source, target):
        return Tensor(np.moveaxis(self.values, source, target), self.dtype)

    def __getitem__(self, at):
        return Tensor(self.values[at], self.dtype)

    def __len__(self):
        return len(self.values)

    def __float__(self):
        return float(self.values)

    def __truediv__(self, other):
        return Tensor(self.values / other.values)


class Handle:
    def __init__(self, hooks, hook):
        self.hooks, self.hook = hooks, hook
        hooks.append(hook)

    def remove(self):
        if self.hook in self.hooks:
            self.hooks.remove(self.hook)


class Module:
    """A layer without inner ones, or what holds some."""

    training = True

    def __init__(self, parameters=None, modules=None):
        self.own, self.inner, self.hooks = dict(parameters or {}), dict(modules or {}), []

    def named_modules(self):
        yield "", self
        for name, module in self.inner.items():
            for deeper, each in module.named_modules():
                yield f"{name}.{deeper}".rstrip("."), each

    def modules(self):
        return [module for _, module in self.named_modules()]

    def named_parameters(self):
        seen = []
        for name, module in self.named_modules():
            for own, parameter in module.own.items():
                if not any(parameter is each for each in seen):
                    seen.append(parameter)
                    yield f"{name}.{own}".lstrip("."), parameter

    def register_forward_hook(self, hook):
        return Handle(self.hooks, hook)

    def forward(self, out):
        for hook in list(self.hooks):
            hook(self, (), out)


class Linear(Module):
    """Only its name counts."""


class Conv2d(Module):
    """Only its name counts."""


class Tanh(Module):
    """Only its name counts."""


class ReLU(Module):
    """Only its name counts."""


class Sigmoid(Module):
    """Only its name counts."""


class DistributedDataParallel(Module):
    def __init__(self, module):
        super().__init__({}, {"module": module})
        self.module = module


class OptimizedModule(Module):
    def __init__(self, module):
        super().__init__({}, {"_orig_mod": module})
        self._orig_mod = module


def over(hooks):
    """Go over hooks as PyTorch's optimizers do, which lets none be taken off meanwhile."""
    there = list(hooks)
    for hook in there:
        yield hook
        if hooks != there:
            raise RuntimeError("OrderedDict mutated during iteration")


class SGD:
    """Moves weights against their gradients."""

    def __init__(self, parameters, rate):
        self.parameters = list(parameters)
        self.param_groups = [{"params": [], "lr": rate / 2}, {"params": self.parameters, "lr": rate}]
        self.before, self.after = [], []

    def register_step_pre_hook(self, hook):
        return Handle(self.before, hook)

    def register_step_post_hook(self, hook):
        return Handle(self.after, hook)

    def step(self, closure=None):
        given = (self,) if closure is None else (self, closure)
        for hook in over(self.before):
            hook(self, given, {})
        if closure is not None:
            closure()
        for each in self.parameters:
            if each.grad is not None:
                each.values = each.values - self.param_groups[1]["lr"] * each.grad.values
        for hook in over(self.after):
            hook(self, given, {})


def norms(tensors, order, dtype=None):
    halves = {each.dtype in ("torch.float16", "torch.bfloat16") for each in tensors}
    assert (order, halves) == (2, {dtype == "torch.float32"})  # only what is too short to sum up in is widened
    return [Tensor(np.linalg.norm(each.values.astype(np.float64))) for each in tensors]


torch = types.SimpleNamespace(
    __version__="0.0",
    float16="torch.float16",
    bfloat16="torch.bfloat16",
    float32="torch.float32",
    is_grad_enabled=lambda: True,
    _foreach_norm=norms,
    stack=lambda tensors: Tensor([each.values for each in tensors]),
    linalg=types.SimpleNamespace(vector_norm=lambda tensor: Tensor(np.linalg.norm(tensor.values.astype(np.float64)))),
    compiler=types.SimpleNamespace(disable=lambda function: function, is_compiling=lambda: False),
)
