"""The addresses of the server, and how errors are answered: as `{"error": "..."}`, with the message that a command would print."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eventtag.errors import EventtagError, OutputError
from eventtag.serving import api, doccano, hugging_face, inception, label_studio
from eventtag.serving.answers import JSONAnswer
from eventtag.serving.guard import Guard
from eventtag.serving.page import PAGE_ROUTES
from eventtag.serving.refusals import RequestError
from eventtag.serving.service import Service

log = logging.getLogger(__name__)

ROUTES = (
    *PAGE_ROUTES,
    Route("/health", api.health),
    Route("/metrics", api.metrics),
    Route("/openapi.json", api.openapi),
    Route("/api/about", api.about),
    Route("/api/tag", api.tag, methods=["POST"]),
    Route("/api/read", api.read, methods=["POST"]),
    Route("/api/corrections", api.corrections, methods=["GET", "POST"]),
    Route("/api/training", api.training, methods=["GET", "POST"]),
    Route("/api/training/adopt", api.adopt, methods=["POST"]),
    Route("/hf", hugging_face.token_classification, methods=["POST"]),
    Route("/doccano", doccano.label_text, methods=["POST"]),
    Route("/label_studio/health", label_studio.health),
    Route("/label_studio/setup", label_studio.setup, methods=["POST"]),
    Route("/label_studio/predict", label_studio.predict, methods=["POST"]),
    Route("/label_studio/webhook", label_studio.webhook, methods=["POST"]),
    Route("/label_studio/versions", label_studio.versions),
    Route("/inception/predict", inception.predict, methods=["POST"]),
    Route("/inception/train", inception.train, methods=["POST"]),
)


def build_app(service: Service, *, token: str | None) -> Starlette:
    """The application; with a token, every request must carry it."""
    paths = frozenset(route.path for route in ROUTES)
    guard = Middleware(Guard, token=token, requests=service.requests, paths=paths)
    handlers = {EventtagError: _refuse, HTTPException: _no_route, Exception: _fail}
    app = Starlette(routes=list(ROUTES), middleware=[guard], exception_handlers=handlers)  # type: ignore[arg-type]
    app.state.service = service
    return app


async def _refuse(request: Request, error: EventtagError) -> Response:
    status = error.status if isinstance(error, RequestError) else 507 if isinstance(error, OutputError) else 400
    if status not in (429, 499):
        log.warning("%s %s is refused (%d): %s", request.method, request.url.path, status, error)
    headers = {"Retry-After": "5"} if status == 429 else None
    return JSONAnswer({"error": str(error)}, status, headers=headers)


async def _no_route(request: Request, error: HTTPException) -> Response:
    said = f"there is no {request.url.path}" if error.status_code == 404 else f"{request.method} is not for {request.url.path}"
    return JSONAnswer({"error": f"{said}; /openapi.json lists what there is"}, error.status_code, headers=error.headers)


async def _fail(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONAnswer({"error": "this is a mistake of eventtag's; the log of the server has its cause"}, 500)
