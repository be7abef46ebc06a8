"""Files of weights: what is in them, single tensors, comparisons, timelines."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from pondera.errors import ArgumentError
from pondera.workbench.bench import ASKED, ERRORS, Bench, Shared, command_line
from pondera.workbench.routes.files import Name
from pondera.workbench.routes.runs import TensorName
from pondera.workbench.routes.shapes import Bin
from pondera.workbench.served import CHECKPOINTS, TABLES

router = APIRouter(tags=["checkpoints"], responses=ERRORS)

MOST_FACTORIZED = 4_000_000
"""Values of a tensor whose singular values are found while somebody waits, at most."""

MOST_EXPORTED = 20_000_000
"""Values of a tensor that are sent as a file, at most."""

PIECE = 1 << 20
"""Bytes of a file that are sent at a time."""


class Histogram(BaseModel):
    """How the values of a tensor are spread."""

    tensor: str
    bins: list[Bin] = Field(description="Each without its end, but for the last. None where no value is finite.")
    count: int = Field(description="All values, also those that are in no bin.")
    not_finite: int
    below: int = Field(description="Finite values before the first bin.")
    above: int = Field(description="Finite values after the last.")
    low: float | None = Field(description="The smallest finite value, null where there is none.")
    high: float | None = Field(description="The largest.")
    command: str
    python: str


class Tensor(BaseModel):
    """A tensor, before its values are read."""

    name: str
    shape: list[int]
    dtype: str
    count: int


class Layer(BaseModel):
    """A layer, as it is found in the names and shapes of tensors."""

    name: str
    kind: str
    inputs: int | None
    outputs: int | None
    count: int = Field(description="Of values.")


class Contents(BaseModel):
    """What a file of weights says of itself."""

    format: str
    bytes: int
    tensors: list[Tensor]
    layers: list[Layer]


class SingularValues(BaseModel):
    """The singular values of a tensor."""

    values: list[float] = Field(description="The largest first.")
    command: str
    python: str


@router.get("/api/contents")
def contents(bench: Shared, file: Name) -> Contents:
    """Say at once what a file of weights says of itself: names, shapes, layers. No value is read for it."""
    from pondera.workbench.contents import contents as contents_of

    told = bench.kept.of(bench.served.whole(file), "contents", lambda: contents_of(_weights(bench, file)))
    return Contents.model_validate(told)


@router.get("/api/checkpoint", responses=ASKED)
async def checkpoint(request: Request, bench: Shared, file: Name, spectrum: bool = False) -> Any:
    """Say what is in a file of weights: what ``pondera read`` prints. ``spectrum`` adds singular values."""
    places = bench.served.whole(file)
    python = f"pondera.read({file!r}{', spectrum=True' if spectrum else ''})"
    return await bench.ask(request, "read", ["--spectrum"] if spectrum else [], [file], places, python=python)


@router.get("/api/compare", responses=ASKED)
async def compare(request: Request, bench: Shared, first: Name, second: Name) -> Any:
    """Say what differs between two files of weights: what ``pondera compare`` prints."""
    places = [*bench.served.whole(first), *bench.served.whole(second)]
    return await bench.ask(
        request, "compare", [], [first, second], places, python=f"pondera.compare({first!r}, {second!r})"
    )


@router.get("/api/timeline", responses=ASKED)
async def timeline(
    request: Request, bench: Shared, folder: Annotated[str, Query(description="A folder of checkpoints.")] = "."
) -> Any:
    """Follow a series of checkpoints: what ``pondera timeline`` prints."""
    named = folder or "."
    return await bench.ask(
        request, "timeline", [], [named], bench.served.whole(folder), python=f"pondera.timeline({named!r})"
    )


@router.get("/api/singular-values")
def singular_values(bench: Shared, file: Name, tensor: TensorName) -> SingularValues:
    """Return the singular values of a tensor, its first axis by all others, the largest first."""
    import numpy as np

    from pondera.weights.mapped import require_uncut
    from pondera.workbench.tiles import plane

    found = tensor_of(bench, file, tensor)
    command = command_line("read", ["--spectrum"], [file])
    if found.count > MOST_FACTORIZED:
        raise ArgumentError(
            f"{tensor} has {found.count:,} values, too many to factorize here. {command} says what can be said of it."
        )

    def values() -> list[float]:
        stored = np.asarray(found.values())
        matrix = stored.astype(np.complex128 if np.iscomplexobj(stored) else np.float64).reshape(plane(found.shape))
        require_uncut(found.source)
        if not np.isfinite(matrix).all():
            raise ArgumentError(f"{tensor} holds values that are not finite, and has no singular values.")
        return [float(value) for value in np.linalg.svd(matrix, compute_uv=False)]

    told = bench.kept.of(bench.served.whole(file), ("singular values", tensor), values)
    return SingularValues(values=told, command=command, python=_python(file, tensor))


@router.get("/api/histogram")
def histogram(
    bench: Shared,
    file: Name,
    tensor: TensorName,
    bins: Annotated[int, Query(description="How many.", ge=1, le=1024)] = 64,
    low: Annotated[float | None, Query(description="Where the first begins; at the smallest value.")] = None,
    high: Annotated[float | None, Query(description="Where the last ends; at the largest value.")] = None,
) -> Histogram:
    """Count all values of a tensor by their size, of a complex one by their magnitude."""
    from pondera.workbench.histogram import counted

    found = tensor_of(bench, file, tensor)
    what = ("histogram", tensor, bins, low, high)
    told = bench.kept.of(bench.served.whole(file), what, lambda: counted(found, bins, low, high))
    command = command_line("read", [], [file])
    return Histogram(tensor=tensor, command=command, python=_python(file, tensor), **told)


@router.get("/api/tensor", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
def tensor_as_csv(bench: Shared, file: Name, tensor: TensorName) -> Response:
    """Return the values of a tensor as CSV, a line for each row, as they are stored: nothing is rounded."""
    from pondera.workbench.exact import lines

    found = tensor_of(bench, file, tensor)
    if found.count > MOST_EXPORTED:
        command = command_line("convert", [], [file, "OUT.npz"])
        raise ArgumentError(f"{tensor} has {found.count:,} values, too many for a page. Use {command}.")
    for _ in found.chunks():  # values that cannot be read are a sentence, not the half of an answer
        pass
    return StreamingResponse(lines(found), media_type="text/csv")


@router.get(
    "/api/download",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file."}},
)
def download(bench: Shared, file: Name) -> Response:
    """Return a file of weights or a table as it is, such as a model as safetensors."""
    place = bench.served.existing(file)
    if not place.is_file() or place.suffix.lower() not in (*TABLES, *CHECKPOINTS):
        raise ArgumentError(f"{file!r} is neither a table nor a file of weights. Give the name of one.")
    opened = os.fdopen(bench.served.open(file), "rb")
    told = os.fstat(opened.fileno())
    if not stat.S_ISREG(told.st_mode):
        opened.close()
        raise ArgumentError(f"{file!r} is a pipe or device. Give the name of a file.")
    headers = {
        "content-length": str(told.st_size),
        "content-disposition": f"attachment; filename*=utf-8''{quote(place.name, safe='')}",
    }
    return StreamingResponse(_pieces(opened, told.st_size), media_type="application/octet-stream", headers=headers)


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield what is in a file, as much as there was when it was opened."""
    with file:
        while size > 0 and (piece := file.read(min(PIECE, size))):
            size -= len(piece)
            yield piece


def _python(file: str, tensor: str) -> str:
    """Return what gives the values of a tensor in Python."""
    return f"pondera.open({file!r})[{tensor!r}].values()"


def tensor_of(bench: Bench, file: str, name: str) -> Any:
    """Return a tensor of a file of weights.

    Raises
    ------
    PonderaError
        If there is none of that name, or the file cannot be read.
    """
    from pondera.choice import unknown

    weights = _weights(bench, file)
    if name not in weights:
        raise ArgumentError(unknown("tensor", name, list(weights)[:50]))
    return weights[name]


def _weights(bench: Bench, file: str) -> Any:
    from pondera.weights.open import open as open_weights

    places: list[Path] = bench.served.whole(file)
    return bench.kept.of(places, "weights", lambda: open_weights(places[0]))
