"""Pieces of large matrices: of a file of weights, and of a run at the steps that were recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from pondera.workbench.bench import ERRORS, Shared
from pondera.workbench.kept import version
from pondera.workbench.routes.checkpoints import tensor_of
from pondera.workbench.routes.files import Name
from pondera.workbench.routes.runs import Network, RunName, Step, TensorName, open_run, part_of
from pondera.workbench.routes.shapes import Matrix

router = APIRouter(tags=["matrices"], responses=ERRORS)

Place = Annotated[int, Query(ge=0, le=2**62)]
Cells = Annotated[int, Query(ge=1, le=1024)]
TILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "float32, row by row."}
}
SAME: dict[int | str, dict[str, Any]] = {304: {"description": "The file is what it was when the ETag was given."}}


@dataclass(frozen=True)
class Piece:
    """Which rows and columns of a matrix, and in how many cells."""

    top: int
    bottom: int
    left: int
    right: int
    down: int
    across: int

    def of(self, tensor: Any) -> bytes:
        """Return the piece of a tensor."""
        from pondera.workbench.tiles import extremes

        rows, columns, cells = (self.top, self.bottom), (self.left, self.right), (self.down, self.across)
        return extremes(tensor, rows, columns, cells).astype("<f4").tobytes()


def piece(top: Place, bottom: Place, left: Place, right: Place, down: Cells, across: Cells) -> Piece:
    """Return the piece that a request asks for."""
    return Piece(top, bottom, left, right, down, across)


Asked = Annotated[Piece, Depends(piece)]


@router.get("/api/tile", response_class=Response, responses=TILE | SAME)
def tile(bench: Shared, request: Request, file: Name, tensor: TensorName, asked: Asked) -> Response:
    """Return a piece of a tensor in cells, each the value of the largest size in it, so that extremes stay visible.

    A tensor of more than two axes is looked at as its first axis by all others.
    """
    places = bench.served.whole(file)
    versions = hashlib.sha256(repr([version(each) for each in places]).encode()).hexdigest()
    headers = {"cache-control": "private, no-cache", "etag": f'"{versions}"'}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    found = tensor_of(bench, file, tensor)
    make: Callable[[], bytes] = lambda: asked.of(found)  # noqa: E731
    data = bench.kept.of(places, (file, tensor, asked), make)
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.get("/api/run/tile", response_class=Response, responses=TILE)
def run_tile(
    bench: Shared, run: RunName, tensor: TensorName, step: Step, asked: Asked, network: Network = None
) -> Response:
    """Return a piece of a run's tensor as it was just before one of the steps that ``/api/run/matrix`` lists."""
    with open_run(bench, run) as found:
        data = asked.of(found.tensor_at(tensor, step, part_of(found, network)))
    return Response(data, media_type="application/octet-stream")


@router.get("/api/run/matrix")
def run_matrix(bench: Shared, run: RunName, tensor: TensorName, network: Network = None) -> Matrix:
    """Return at which steps a run's tensor is known, and the size of the largest value that it ever had: a scale."""
    import numpy as np

    with open_run(bench, run) as found:
        part = part_of(found, network)
        history = found.tensor(tensor, part)
        steps = found.recorded(tensor, part)
    sizes = np.abs([[each.low, each.high] for each in history.figures]).reshape(-1)
    most = float(sizes[np.isfinite(sizes)].max(initial=0.0))
    return Matrix(tensor=tensor, shape=list(history.shape), steps=steps, most=most)
