"""The application: routes, errors as sentences, and the pages."""

from __future__ import annotations

import asyncio
import contextlib
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
from starlette.requests import ClientDisconnect

import pondera
from pondera.door import only_below
from pondera.errors import PonderaError
from pondera.workbench.bench import Bench
from pondera.workbench.guard import TooLargeError
from pondera.workbench.kept import Kept
from pondera.workbench.listing import Listing
from pondera.workbench.pulse import Pulses
from pondera.workbench.questions import Questions
from pondera.workbench.routes import ROUTERS
from pondera.workbench.routes.runs import pulse_of
from pondera.workbench.sentences import of_form, of_machine
from pondera.workbench.served import Served
from pondera.workbench.trainings import Trainings
from pondera.workbench.uploads import clear

MOST_OF_A_TABLE = 4 << 30
"""Bytes of memory of a process that looks at a table."""

LOOK_AFTER = 1.0
"""Seconds between two looks whether the run of a training was deleted."""

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
        pulses = Pulses(lambda run, network: pulse_of(bench, run, network))
        tables = Questions(served.root, MOST_OF_A_TABLE)
        questions, trainings = Questions(served.root), Trainings(served)
        bench = Bench(served, Listing(served), questions, trainings, pulses, tables, Kept())
        app.state.bench = bench
        warmed = asyncio.create_task(asyncio.to_thread(warm))
        with only_below(served.root):
            await asyncio.to_thread(clear, served)
            looking = asyncio.create_task(look_after(trainings))
            yield
            looking.cancel()
            await warmed
            bench.trainings.let_go()
            await bench.close()
            await bench.pulses.close()

    async def sentence(_: Request, error: Any) -> JSONResponse:
        said = str(error) if isinstance(error, PonderaError) else of_machine(error)
        return _answer(400, served.without_root(said))

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
    for kind in (PonderaError, OSError, MemoryError):
        app.add_exception_handler(kind, sentence)
    app.add_exception_handler(TooLargeError, _too_large)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(RequestValidationError, _not_of_the_form)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _mistake)

    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    if STATIC.is_dir():
        app.mount("/assets", StaticFiles(directory=STATIC / "assets", check_dir=False))
    return app


async def look_after(trainings: Trainings) -> None:
    """End trainings whose run is deleted, as long as the server goes on."""
    while True:
        await asyncio.sleep(LOOK_AFTER)
        with contextlib.suppress(PonderaError, OSError):  # where the folder cannot be read just now
            await asyncio.to_thread(trainings.end_deleted)


def warm() -> None:
    """Import what the first views need, before somebody asks for one."""
    for name in ("weights.open", "workbench.contents", "workbench.tiles", "report.runs", "recording.health.check"):
        importlib.import_module(f"pondera.{name}")


def _answer(status: int, sentence: str, **more: str | None) -> JSONResponse:
    told = {"error": sentence, **more}
    return JSONResponse({name: _plain(each) for name, each in told.items()}, status)


def _plain(text: str | None) -> str | None:
    """Return a line of text that can be sent: names of files may be none."""
    return None if text is None else " ".join(text.split()).encode("utf-8", "replace").decode()


async def _too_large(_: Request, error: Any) -> JSONResponse:
    return _answer(413, str(error))


async def _gone(_: Request, __: Any) -> JSONResponse:
    return _answer(400, "The request ended before all of it had come. Send it again.")


async def _refused(_: Request, error: Any) -> JSONResponse:
    sentences = {404: "There is no such page. Open the workbench at its first page.", 405: "This is not done that way."}
    answer = _answer(error.status_code, sentences.get(error.status_code, str(error.detail)))
    answer.headers.update(error.headers or {})
    return answer


async def _not_of_the_form(_: Request, error: Any) -> JSONResponse:
    found = of_form(error.errors()[0])
    return _answer(422, found.error, field=found.field, expected=found.expected, got=found.got)


async def _mistake(_: Request, error: Any) -> JSONResponse:
    return _answer(500, f"This is a mistake in Pondera: {type(error).__name__}. See what the terminal says.")
