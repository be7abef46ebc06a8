"""Who is let in: whoever opened the address that was printed, from this machine, and from the page itself.

Any page that a browser shows can send requests to a server on this machine, and a name that an attacker owns can be
made to point to it (DNS rebinding). Hence, beside a secret that only the opened address holds: the ``Host`` must be
this machine, an ``Origin`` that is sent must be the page's own, and a browser that says where a request comes from
(``Sec-Fetch-Site``) must say from here.
"""

from __future__ import annotations

import hmac
import json
import secrets
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""What every answer carries: nothing from elsewhere is loaded, run, framed or told of."""

MOST_BYTES = 1 << 20
"""Of the body of a request that is no upload."""

UPLOADS = "/api/upload"


class Guard:
    """Lets requests through to an application, or answers them.

    Parameters
    ----------
    app
        What is behind.
    port
        Where the server listens.
    most_uploaded
        Bytes of an upload, at most.

    Attributes
    ----------
    token
        What the opened address holds. It is exchanged once, for a cookie.
    """

    def __init__(self, app: ASGIApp, port: int, most_uploaded: int) -> None:
        self.app, self.most_uploaded = app, most_uploaded
        self.token: str | None = secrets.token_urlsafe(32)
        self._session = secrets.token_urlsafe(32)
        self.cookie = f"pondera-{port}"  # browsers do not keep cookies of ports apart
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        if port == 80:
            self.hosts |= {"127.0.0.1", "localhost", "[::1]"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through with its body counted."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        most = self.most_uploaded if scope["path"] == UPLOADS else MOST_BYTES
        counted = Counted(receive, most)
        begun = refused_late = False

        async def guarded(message: Message) -> None:
            nonlocal begun, refused_late
            if counted.too_large and not begun:  # whatever was made of a body that was cut off
                begun = refused_late = True
                await _error(413, _too_large(most))(scope, receive, guarded_as_it_is)
            elif not refused_late:
                begun = True
                await guarded_as_it_is(message)

        async def guarded_as_it_is(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        request = Request(scope)
        refused = self._refused(request)
        if refused is not None:
            await refused(scope, receive, guarded)
            return
        declared = request.headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()) or int(declared) > most:
            await _error(413, _too_large(most))(scope, receive, guarded)
            return
        await self.app(scope, counted, guarded)

    def _refused(self, request: Request) -> Response | None:
        """Return the answer to a request that is not let through, or None."""
        host = request.headers.get("host", "")
        if host not in self.hosts:
            return _error(403, "Expected a request to this machine by its own name. Open the address that was printed.")
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        changes = request.method not in ("GET", "HEAD")
        own = (None, "same-origin") if changes else (None, "same-origin", "none")  # none: an address that was typed
        foreign = site not in own and (changes or request.url.path.startswith("/api"))
        if foreign or (origin is not None and origin != f"http://{host}"):
            return _error(403, "This request came from another page. Use the page that the workbench opened.")
        given = parse_qs(request.url.query).get("token")
        if request.url.path == "/" and given:
            return self._exchanged(request, given[0])
        if not self._knows(request):
            said = "Open the address that pondera ui printed: it lets this browser in, once."
            return _error(403, said) if request.url.path.startswith("/api") else PlainTextResponse(f"{said}\n", 403)
        return None

    def _exchanged(self, request: Request, given: str) -> Response:
        """Give a browser its cookie for the token, and an address without it."""
        fresh = self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())
        if not fresh and not self._knows(request):
            return PlainTextResponse("This address was used before, or is another. Start pondera ui again.\n", 403)
        answer = RedirectResponse("/", 303)
        if fresh:
            self.token = None
            answer.set_cookie(self.cookie, self._session, httponly=True, samesite="strict", path="/")
        return answer

    def _knows(self, request: Request) -> bool:
        found = request.cookies.get(self.cookie, "")  # others on this machine may have set some that are malformed
        return hmac.compare_digest(found.encode(), self._session.encode())


class TooLargeError(Exception):
    """A body goes on beyond what it may have."""

    def __init__(self, most: int) -> None:
        super().__init__(_too_large(most))


def _too_large(most: int) -> str:
    return f"Expected at most {most:,} bytes. Put larger files into the folder that is served, and reload the page."


class Counted:
    """What a request is received by: it ends where the body is larger than it may be."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.receive, self.most = receive, most
        self.received = 0

    @property
    def too_large(self) -> bool:
        """Whether more has come than may."""
        return self.received > self.most

    async def __call__(self) -> Message:
        """Receive the next piece."""
        message = await self.receive()
        self.received += len(message.get("body", b""))
        if self.too_large:
            raise TooLargeError(self.most)
        return message


def _error(status: int, sentence: str) -> Response:
    return Response(json.dumps({"error": sentence}), status, media_type="application/json")
