"""Files of weights: what is in them, single tensors, comparisons, timelines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from pondera.errors import ArgumentError
from pondera.workbench.bench import ASKED, ERRORS, Bench, Shared
from pondera.workbench.routes.files import Name
from pondera.workbench.routes.runs import TensorName

router = APIRouter(tags=["checkpoints"], responses=ERRORS)

MOST_FACTORIZED = 4_000_000
"""Values of a tensor whose singular values are found while somebody waits, at most."""

MOST_EXPORTED = 20_000_000
"""Values of a tensor that are sent as a file, at most."""


@router.get("/api/contents")
def contents(bench: Shared, file: Name) -> dict[str, Any]:
    """Say at once what a file of weights says of itself: names, shapes, layers. No value is read for it."""
    from pondera.workbench.contents import contents as contents_of

    return bench.kept.of([bench.served.existing(file)], "contents", lambda: contents_of(_weights(bench, file)))


@router.get("/api/checkpoint", responses=ASKED)
async def checkpoint(bench: Shared, file: Name, spectrum: bool = False) -> Any:
    """Say what is in a file of weights: what ``pondera read`` prints. ``spectrum`` adds singular values."""
    place = bench.served.existing(file)
    return await bench.ask("read", ["--spectrum"] if spectrum else [], [file], [place])


@router.get("/api/compare", responses=ASKED)
async def compare(bench: Shared, first: Name, second: Name) -> Any:
    """Say what differs between two files of weights: what ``pondera compare`` prints."""
    places = [bench.served.existing(first), bench.served.existing(second)]
    return await bench.ask("compare", [], [first, second], places)


@router.get("/api/timeline", responses=ASKED)
async def timeline(bench: Shared, folder: Annotated[str, Query(description="A folder of checkpoints.")] = ".") -> Any:
    """Follow a series of checkpoints: what ``pondera timeline`` prints."""
    place = bench.served.existing(folder)
    return await bench.ask("timeline", [], [folder or "."], [place])


@router.get("/api/singular-values")
def singular_values(bench: Shared, file: Name, tensor: TensorName) -> dict[str, list[float]]:
    """Return the singular values of a tensor, its first axis by all others, the largest first."""
    import numpy as np

    from pondera.workbench.tiles import plane

    found = tensor_of(bench, file, tensor)
    if found.count > MOST_FACTORIZED:
        raise ArgumentError(
            f"{tensor} has {found.count:,} values, too many to factorize here. "
            f"pondera read {file} --spectrum says what can be said of it."
        )

    def values() -> list[float]:
        matrix = np.asarray(found.values(), np.float64).reshape(plane(found.shape))
        if not np.isfinite(matrix).all():
            raise ArgumentError(f"{tensor} holds values that are not finite, and has no singular values.")
        return [float(value) for value in np.linalg.svd(matrix, compute_uv=False)]

    return {"values": bench.kept.of([bench.served.existing(file)], ("singular values", tensor), values)}


@router.get("/api/tensor", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def tensor_as_csv(bench: Shared, file: Name, tensor: TensorName) -> Response:
    """Return the values of a tensor as CSV, a line for each row."""
    import io

    import numpy as np

    from pondera.workbench.tiles import plane

    found = tensor_of(bench, file, tensor)
    if found.count > MOST_EXPORTED:
        raise ArgumentError(
            f"{tensor} has {found.count:,} values, too many for a page. Use pondera convert {file} OUT.npz."
        )
    text = io.StringIO()
    np.savetxt(text, np.asarray(found.values()).reshape(plane(found.shape)), fmt="%.9g", delimiter=",")
    return Response(text.getvalue(), media_type="text/csv")


@router.get(
    "/api/download",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file."}},
)
def download(bench: Shared, file: Name) -> Response:
    """Return a file of weights or a table as it is, such as a model as safetensors."""
    from fastapi.responses import FileResponse

    from pondera.workbench.served import CHECKPOINTS, TABLES

    place = bench.served.existing(file)
    if not place.is_file() or place.suffix.lower() not in (*TABLES, *CHECKPOINTS):
        raise ArgumentError(f"{file!r} is neither a table nor a file of weights. Give the name of one.")
    return FileResponse(place, media_type="application/octet-stream", filename=place.name)


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

    place: Path = bench.served.existing(file)
    return bench.kept.of([place], "weights", lambda: open_weights(place))
