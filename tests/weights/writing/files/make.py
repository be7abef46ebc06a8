"""Writes the files beside it, with PyTorch 2.13: python make.py. The tests hold what Pondera writes against them."""

import gzip
import io
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
SHAPES = [(), (0,), (3,), (2, 3), (2, 0, 3), (1, 2, 3), (2, 1, 2, 2), (1, 2, 1, 2, 1, 2)]


def bits(shape: tuple[int, ...], dtype: str) -> torch.Tensor:
    """Return values whose bytes are 0 and 1 in turn, in a shape and dtype."""
    kind = getattr(torch, dtype)
    count = torch.Size(shape).numel() * kind.itemsize
    return (torch.arange(count) % 2).to(torch.uint8).view(kind).reshape(shape)


def main() -> None:
    """Write every file."""
    kinds = OrderedDict((f"{dtype} {shape} σ", bits(shape, dtype)) for dtype in DTYPES for shape in SHAPES[:3])
    shapes = OrderedDict((f"shape.{index}", bits(shape, "float32")) for index, shape in enumerate(SHAPES))
    torch.save(OrderedDict({**kinds, **shapes}), HERE / "kinds.pt")
    many = OrderedDict((f"t{index}", bits((1,), "uint8")) for index in range(1001))
    many["long"] = bits((70_000,), "bool")
    one = OrderedDict(only=bits((300,), "float8_e5m2"))
    for name, tensors in {"many": many, "one": one, "none": OrderedDict()}.items():
        file = io.BytesIO()
        torch.save(tensors, file)
        with zipfile.ZipFile(file) as archive:
            (HERE / f"{name}.pkl.gz").write_bytes(gzip.compress(archive.read("archive/data.pkl"), mtime=0))


if __name__ == "__main__":
    main()
