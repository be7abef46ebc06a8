"""The application: routes, errors as sentences, and the pages."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

import pondera
from pondera.errors import PonderaError
from pondera.workbench.bench import Bench
from pondera.workbench.guard import TooLargeError
from pondera.workbench.kept import Kept
from pondera.workbench.pulse import Pulses
from pondera.workbench.questions import Questions
from pondera.workbench.routes import ROUTERS
from pondera.workbench.routes.runs import pulse_of
from pondera.workbench.served import Served
from pondera.workbench.trainings import Trainings

STATIC = Path(__file__).parent / "static"
"""The pages, as ``make ui`` builds them."""


def application(folder: Path) -> FastAPI:
    """Return the application for a folder; :class:`~pondera.workbench.guard.Guard` stands before it.

    Parameters
    ----------
    folder
        What is served.
    """
    served = Served(folder)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        bench = Bench(
            served, Questions(served.root), Trainings(served), Pulses(lambda run: pulse_of(bench, run)), Kept()
        )
        app.state.bench = bench
        warmed = asyncio.create_task(asyncio.to_thread(warm))
        yield
        await warmed
        bench.trainings.let_go()
        await bench.questions.close()
        await bench.pulses.close()

    app = FastAPI(
        title="Pondera workbench",
        version=pondera.__version__,
        description="Trains networks, and says what their weights learned. The pages of the workbench use it.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    for router in ROUTERS:
        app.include_router(router)
    for kind, answer in ((PonderaError, _sentence), (OSError, _sentence), (MemoryError, _sentence)):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(TooLargeError, _too_large)
    app.add_exception_handler(RequestValidationError, _not_of_the_form)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _mistake)

    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    if STATIC.is_dir():
        app.mount("/assets", StaticFiles(directory=STATIC / "assets", check_dir=False))
    return app


def warm() -> None:
    """Import what the first views need, before somebody asks for one."""
    for name in ("pondera.weights.open", "pondera.workbench.contents", "pondera.workbench.tiles"):
        importlib.import_module(name)


def _answer(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": " ".join(sentence.split())}, status)


async def _sentence(_: Request, error: Any) -> JSONResponse:
    if isinstance(error, PonderaError):
        return _answer(400, str(error))
    what = getattr(error, "strerror", None) or str(error) or "out of memory"
    return _answer(400, f"The machine refused: {what}. Free some memory or disk, or give another file.")


async def _too_large(_: Request, error: Any) -> JSONResponse:
    return _answer(413, str(error))


async def _refused(_: Request, error: Any) -> JSONResponse:
    sentences = {404: "There is no such page. Open the workbench at its first page.", 405: "This is not done that way."}
    answer = _answer(error.status_code, sentences.get(error.status_code, str(error.detail)))
    answer.headers.update(error.headers or {})
    return answer


async def _not_of_the_form(_: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    return _answer(422, f"{where}: {first['msg'].rstrip('.')}. See /api/openapi.json.")


async def _mistake(_: Request, error: Any) -> JSONResponse:
    return _answer(500, f"This is a mistake in Pondera: {type(error).__name__}. See what the terminal says.")
