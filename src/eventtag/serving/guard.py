"""The checks that every request must pass before it is processed (docs/security.md).

The attacker is a page in the browser of somebody who uses this server. It can send requests here, but it cannot read answers, forge
`Origin`, `Host` or `Sec-Fetch-Site`, or know the token. DNS rebinding gives it our address under its own name, which `Host` shows.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventtag.serving.answers import JSONAnswer
from eventtag.serving.metrics import Requests
from eventtag.settings.serve import LOOPBACK

TOKEN_VARIABLE = "EVENTTAG_TOKEN"  # noqa: S105 - the name of a variable
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
"""Headers of every answer: a page runs and loads only our own files, is shown in no frame, and no other origin reads answers."""
OPEN = ("/health", "/label_studio/health")
"""Addresses that need no token: they only say that the server is running."""


class Guard:
    """Refuses what no friendly client sends, adds HEADERS to every answer, and counts requests. `paths` are the addresses that exist.

    With a token, each request must carry it: as `Authorization: Bearer TOKEN`, or as the password of HTTP Basic with any user name.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, requests: Requests, paths: frozenset[str]) -> None:
        self.app = app
        self.token = token
        self.requests = requests
        self.paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.monotonic(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        path = scope["path"] if scope["path"] in self.paths else "other"
        try:
            problem = self._problem(scope["method"], scope["path"], Headers(scope=scope))
            if problem is None:
                await self.app(scope, receive, answer)
            else:
                code, text = problem
                challenge = {"WWW-Authenticate": 'Basic realm="eventtag"'} if code == 401 else None
                await JSONAnswer({"error": text}, code, headers=challenge)(scope, receive, answer)
        finally:
            self.requests.add(path, status, time.monotonic() - begun)

    def _problem(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        """The status and the reason with which a request is refused; None for one that is allowed."""
        host = headers.get("host", "")
        if self.token is None and _name(host) not in LOOPBACK:
            return 421, (
                f"the address {host!r} is not this server's; call it localhost or 127.0.0.1, or start it with {TOKEN_VARIABLE} set"
            )
        origin = headers.get("origin")
        if origin is not None and _address(origin) != host.lower():
            return 403, f"requests from pages of {origin} are refused"
        opened = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not opened:
            return 403, "requests from pages of other addresses are refused"
        if self.token is not None and path not in OPEN and not _carries(headers.get("authorization", ""), self.token):
            return 401, (
                "a token is needed: send `Authorization: Bearer TOKEN`, or TOKEN as the password of HTTP Basic; the server named it "
                f"when it started, or it is in {TOKEN_VARIABLE} there"
            )
        return None


def _address(origin: str) -> str | None:
    """The host and port of an `Origin` header; None for what is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _name(host: str) -> str:
    """The name of a `Host` header without its port; empty for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _carries(authorization: str, token: str) -> bool:
    """Whether the header holds the token, compared in a time that does not depend on it."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given.strip(), validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token.encode("utf-8"))
