"""What trainings do, as they go on: server-sent events."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from pondera.workbench.bench import ERRORS, Shared
from pondera.workbench.pulse import Listener
from pondera.workbench.routes.runs import Network, RunName
from pondera.workbench.routes.shapes import Pulse

router = APIRouter(tags=["runs"], responses=ERRORS)


class Events(StreamingResponse):
    """What a listener hears, until nobody reads it any more."""

    media_type = "text/event-stream"

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener.events())
        self.listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.listener.close()


DATA = {"type": "string", "contentMediaType": "application/json", "contentSchema": Pulse.model_json_schema()}
TOLD: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"itemSchema": {"type": "object", "properties": {"data": DATA}}}},
        "description": "Server-sent events.",
    }
}
"""As OpenAPI describes events from its version 3.2 on."""


@router.get("/api/run/events", status_code=200, response_class=Events, responses=TOLD)
async def events(bench: Shared, run: RunName, network: Network = None) -> Any:
    """Tell what a training does, whenever that changes: server-sent events of what ``/api/run`` says of it."""
    bench.served.path(run)
    listener = bench.pulses.listen((run, network))
    if listener is None:
        return JSONResponse({"error": "Too many pages listen. Close some."}, 503)
    return Events(listener)
