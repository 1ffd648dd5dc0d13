"""What the server refuses before it looks at a request."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from served_app import made_client, made_server, serving  # noqa: F401 - fixtures
from starlette.testclient import TestClient

from eventtag.errors import SettingsError
from eventtag.serving.app import build_app
from eventtag.serving.guard import HEADERS
from eventtag.serving.server import token_for
from eventtag.serving.service import Service
from eventtag.settings import ServeSettings

TOKEN = "0123456789abcdef"


@pytest.fixture
def guarded(served: tuple[TestClient, Service]) -> TestClient:
    return TestClient(build_app(served[1], token=TOKEN), base_url="http://news.example:8000")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"])
def test_this_machine_may_ask(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1", "user@evil"]
)
def test_another_name_for_this_machine_is_refused(client: TestClient, host: str) -> None:
    """DNS rebinding: the page of evil.example asks evil.example, which is 127.0.0.1 by then."""
    answer = client.post("/api/tag", json={"text": "a"}, headers={"host": host})
    assert answer.status_code == 421
    assert "not this server's" in answer.json()["error"]


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:3000",
        "https://127.0.0.1",
        "http://127.0.0.1:8000.evil.example",
        "http://[",
    ],
)
@pytest.mark.parametrize("path", ["/api/tag", "/api/corrections", "/label_studio/webhook", "/api/training"])
def test_a_foreign_page_is_refused(client: TestClient, origin: str, path: str) -> None:
    answer = client.post(path, content=b"{}", headers={"origin": origin, "content-type": "text/plain"})
    assert answer.status_code == 403


def test_our_own_page_may_ask(client: TestClient) -> None:
    own = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}
    assert client.post("/api/tag", json={"text": "a"}, headers=own).status_code == 200


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [("cross-site", "no-cors", 403), ("same-site", "cors", 403), ("cross-site", "navigate", 200), ("none", "navigate", 200)],
)
def test_only_a_link_leads_here_from_elsewhere(client: TestClient, site: str, mode: str, status: int) -> None:
    assert client.get("/health", headers={"sec-fetch-site": site, "sec-fetch-mode": mode}).status_code == status


def test_a_form_of_a_foreign_page_is_refused_without_origin_too(client: TestClient) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.post("/api/training", headers=headers).status_code == 403


def test_every_answer_has_the_headers_of_safety(client: TestClient, guarded: TestClient) -> None:
    for answer in (client.get("/health"), client.get("/nothing"), client.post("/api/tag"), guarded.get("/api/about")):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "access-control-allow-origin" not in answer.headers


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()}


def test_a_token_is_demanded(guarded: TestClient) -> None:
    for path in ("/api/about", "/metrics", "/openapi.json", "/label_studio/versions", "/nothing"):
        answer = guarded.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")
    assert guarded.post("/hf", json={"inputs": "a"}).status_code == 401
    for given in ({"authorization": f"Bearer {TOKEN}"}, basic(TOKEN), {"authorization": f"bearer  {TOKEN} "}):
        assert guarded.get("/api/about", headers=given).status_code == 200
    wrong = [
        "Bearer",
        "Bearer " + TOKEN[:-1],
        f"Bearer {TOKEN}x",
        TOKEN,
        f"Digest {TOKEN}",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
    ]
    for value in wrong:
        assert guarded.get("/api/about", headers={"authorization": value}).status_code == 401
    assert guarded.get("/api/about", headers=basic("é")).status_code == 401
    assert guarded.get("/health").status_code == guarded.get("/label_studio/health").status_code == 200


def test_other_machines_need_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENTTAG_TOKEN", raising=False)
    made = {token_for(ServeSettings(checkpoint="c", host="0.0.0.0")) for _ in range(2)}
    assert len(made) == 2
    assert all(token is not None and len(token) == 32 for token in made)
    assert token_for(ServeSettings(checkpoint="c")) is None
    monkeypatch.setenv("EVENTTAG_TOKEN", TOKEN)
    assert token_for(ServeSettings(checkpoint="c")) == TOKEN
    monkeypatch.setenv("EVENTTAG_TOKEN", "short")
    with pytest.raises(SettingsError, match="16 characters or more"):
        token_for(ServeSettings(checkpoint="c"))


def test_a_large_body_is_refused_as_it_comes(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, tmp_path / "a", max_body_mb=0.01) as (client, service):
        answer = client.post("/api/tag", content=(b"x" * 1000 for _ in range(100)))
        assert answer.status_code == 413
        assert "10,000 bytes" in answer.json()["error"]
        assert service.held == 0
        service.held = 4 * 10_000
        assert client.post("/api/tag", json={"text": "a"}).status_code == 429
