"""Who may speak to the studio: its own page, on the names it is served under, with the token.

A page of another site that the user has open can send requests to this
machine, and can make its own name point here (DNS rebinding). So the Host has
to be one of ours, and where a browser says which page asks, it has to be ours.
"""

import ipaddress
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE: Final = "nextbar-studio"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Lets through what comes from the studio's own page; all else gets 400, 401 or 403.

    hosts: names it is served under, without port; empty: any, where a token is
    asked for. token: what the address has to carry once (``/?token=``), after
    which a cookie has it; or ``Authorization: Bearer``. None asks for none.
    most_bytes: a longer request gets 413, and is not read to its end.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Iterable[str], token: str | None, most_bytes: int
    ) -> None:
        self.app = app
        self.hosts = frozenset(hosts)
        self.token = token
        self.most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or answers it with a refusal."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers) or self._without_token(scope, headers)
        await (refused or self.app)(scope, self._bounded(receive), _with_headers(send))

    def _bounded(self, receive: Receive) -> Receive:
        n_bytes = 0

        async def receive_bounded() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self.most_bytes:
                sentence = f"over {self.most_bytes // 2**20} MB were sent; send less"
                raise HTTPException(413, sentence, {"Connection": "close"})
            return message

        return receive_bounded

    def _refusal(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if self.hosts and name.lower() not in self.hosts:
            return _refuse(400, f"this studio is not served as {host[:80]!r}; open its own address")
        origin = headers.get("origin")
        if origin is not None and origin.split("://", 1)[-1] != host:
            return _refuse(403, "this request comes from a page of another site")
        # A link to a piece may stand anywhere; it opens the page alone, in a tab of its own.
        is_opened = scope["path"] == "/" and headers.get("sec-fetch-dest") == "document"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_opened:
            return _refuse(403, "this request comes from a page of another site")
        return None

    def _without_token(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """What to answer without the token, or where the address carries it; else None."""
        if self.token is None:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self._is_token(given):
            response = RedirectResponse("/", 303)
            response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return response
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if self._is_token(bearer) or self._is_token(_cookie(headers.get("cookie", ""))):
            return None
        return _refuse(401, "a token is needed; open the address that `nextbar studio` printed")

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), (self.token or "").encode())


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _refuse(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers
