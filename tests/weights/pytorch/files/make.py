"""Writes the files beside it, with PyTorch 2.13: python make.py. The tests know their values without PyTorch."""

import argparse
import io
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch

HERE = Path(__file__).parent
DTYPES = [
    "float64",
    "float32",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
]


def counting(*shape: int) -> torch.Tensor:
    """Return 0, 1, 2, … in a shape."""
    count = torch.Size(shape).numel()
    return torch.arange(count, dtype=torch.float32).reshape(shape)


class Net(torch.nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(3, 2)
        self.norm = torch.nn.BatchNorm1d(2)
        with torch.no_grad():
            self.first.weight.copy_(counting(2, 3))
            self.first.bias.copy_(counting(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs."""
        return self.norm(self.first(x)) + torch.tensor([10.0, 20.0])


def views() -> dict[str, torch.Tensor]:
    """Return tensors that share storages or lie in them in other orders."""
    base = counting(4, 6)
    return {
        "base": base,
        "tied": base,
        "row": base[1],
        "turned": base.t(),
        "sliced": base[1:3, ::2],
        "repeated": counting(3).unsqueeze(1).expand(3, 4),
        "number": torch.tensor(7.0),
        "empty": torch.zeros(0, 3),
        "last": torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    }


def trained(optimizer: str) -> dict[str, object]:
    """Return a checkpoint as people save it."""
    torch.manual_seed(0)
    net = Net()
    options = {"momentum": 0.9} if optimizer == "SGD" else {}
    steps = getattr(torch.optim, optimizer)(net.parameters(), lr=0.01, **options)
    net(torch.ones(4, 3) * torch.arange(4.0)[:, None]).square().sum().backward()
    steps.step()
    return {
        "epoch": 3,
        "best": float("nan"),
        "args": argparse.Namespace(lr=0.01, name="a"),
        "model": net.state_dict(),
        "optimizer": steps.state_dict(),
        "version": torch.__version__,
        "dtype": torch.float32,
        "size": torch.Size([2, 3]),
    }


def export() -> None:
    """Write an exported program without what says where on this computer it was made."""
    file = io.BytesIO()
    net = Net().eval()
    net.tied = net.first.weight
    torch.export.save(torch.export.export(net, (torch.ones(4, 3),)), file)
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(HERE / "exported.pt2", "w") as part:
        for info in whole.infolist():
            if "/models/" not in info.filename and "/sample_inputs/" not in info.filename:
                part.writestr(zipfile.ZipInfo(info.filename), whole.read(info))


def main() -> None:
    """Write every file."""
    for name, modern in (("zip", True), ("old", False)):
        for what, value in {
            "dtypes": {dtype: torch.tensor([0, 1, 2]).to(getattr(torch, dtype)) for dtype in DTYPES},
            "views": views(),
            "adam": trained("Adam"),
            "sgd": trained("SGD"),
            "parameters": OrderedDict(a=torch.nn.Parameter(counting(2)), b=torch.nn.Buffer(counting(3))),
        }.items():
            torch.save(value, HERE / f"{what}_{name}.pt", _use_new_zipfile_serialization=modern)
    torch.save(Net(), HERE / "module.pt")
    warnings.simplefilter("ignore")
    torch.jit.save(torch.jit.script(Net().eval()), HERE / "script.pt")
    torch.save(
        {
            "whole": torch.quantize_per_tensor(counting(2, 3), 0.5, 3, torch.quint8),
            "rows": torch.quantize_per_channel(
                counting(2, 3), torch.tensor([0.5, 1.0]), torch.tensor([0, 2]), 0, torch.qint8
            ),
        },
        HERE / "quantized.pt",
    )
    export()
    torch.save({"sparse": counting(2, 3).to_sparse()}, HERE / "sparse.pt")
    torch.save({"meta": torch.zeros(2, device="meta")}, HERE / "meta.pt")


if __name__ == "__main__":
    main()
