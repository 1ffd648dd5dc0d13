"""The page on which people correct articles: files that are served as they are."""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MEDIA = {
    "index.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "requests.js": "text/javascript",
    "text.js": "text/javascript",
    "curve.js": "text/javascript",
}


async def page_file(request: Request) -> Response:
    """A file of the page; the page itself at `/`."""
    name = request.url.path.removeprefix("/") or "index.html"
    content = (files("eventtag.serving") / "page" / name).read_bytes()
    return Response(content, media_type=MEDIA[name])


PAGE_ROUTES = tuple(Route("/" if name == "index.html" else f"/{name}", page_file) for name in MEDIA)
