"""The page in headless Chromium, where there is one: articles are corrected by keyboard alone, and the server keeps what was accepted."""

from __future__ import annotations

import html
import importlib.util
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from served_app import made_tagger  # noqa: F401 - a fixture
from starlette.responses import Response
from starlette.routing import Route

from eventtag.formats.jsonl import json_line
from eventtag.serving.app import build_app
from eventtag.serving.server import opened
from eventtag.serving.store import Correction, Corrections
from eventtag.settings import InferencePrecision, ServeSettings
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
AXE = importlib.util.find_spec("axe_core_python")
PAGE = Path(__file__).resolve().parents[2] / "src" / "eventtag" / "serving" / "page"
HOSTILE = (
    "\U0001f600 Police attacked Rebels in Lima .\n\n<img src=x onerror=\"document.title='owned'\">"
    "<script>document.title='owned'</script> e\u0301tude \u202bשלום\u202c Nurses praised Moscow in Osaka ."
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

TOOLS = """
const byId = (id) => document.getElementById(id);
const until = async (holds) => {
  for (let tries = 0; tries < 2000; tries += 1) { if (holds()) return; await new Promise((done) => setTimeout(done, 20)); }
  throw new Error(`${holds}: ${byId("alert").textContent} ${byId("status").textContent}`);
};
const press = (key, options = {}) => byId("text").dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, ...options}));
const mentions = () => [...document.querySelectorAll("#mentions .name")].map((n) => n.textContent);
const labels = () => [...document.querySelectorAll("#mentions select")].map((n) => n.value);
const paste = async (text) => {
  byId("pasted").value = text;
  const before = document.querySelectorAll("#list li").length;
  byId("paste").requestSubmit();
  await until(() => document.querySelectorAll("#list li").length > before && byId("pasted").value === "");
};
const accepted = () => [...document.querySelectorAll("#list .sub")].filter((n) => n.textContent === " accepted").length;
const seen = {};
const show = (value) => document.body.replaceChildren(JSON.stringify(value));
addEventListener("unhandledrejection", (event) => show({problem: String(event.reason)}));
addEventListener("error", (event) => show({problem: event.message}));
await until(() => byId("model").textContent);
"""


@contextmanager
def browsing(checkpoint: Path, folder: Path) -> Iterator[Any]:
    """A function that runs a script in the page of a server and gives what it shows, as JSON; a script `before` runs before the page's."""
    scripts: dict[str, str] = {}

    async def probe(_: Any) -> Response:
        page = (PAGE / "index.html").read_text(encoding="utf-8")
        first = '<script src="before.js"></script>' if "before.js" in scripts else ""
        probes = "".join(f'<script src="{name}" type="module"></script>' for name in scripts if name != "before.js")
        page = page.replace('<script src="page.js"', f'{first}<script src="page.js"').replace("</head>", f"{probes}</head>")
        return Response(page, media_type="text/html")

    async def script(request: Any) -> Response:
        return Response(scripts[request.url.path.removeprefix("/")], media_type="text/javascript")

    settings = ServeSettings(
        checkpoint=str(checkpoint), annotations=str(folder), precision=InferencePrecision.fp32, threads=1, port=0
    )
    with opened(settings) as service:
        app = build_app(service, token=None)
        app.router.routes += [Route("/probe", probe), *(Route(f"/{name}.js", script) for name in ("axe", "before", "probe"))]
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]

        def run(probe: str, *, width: int = 1280, **more: str) -> Any:
            scripts.clear()
            scripts.update({f"{name}.js": text for name, text in more.items()} | {"probe.js": TOOLS + probe})
            options = [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--window-size={width},900",
                "--virtual-time-budget=600000",
            ]
            options += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder}/browser"]
            command = [CHROMIUM, *options, "--dump-dom", f"http://127.0.0.1:{port}/probe"]
            dom = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
            return json.loads(html.unescape(re.search(r"<body>(.*)</body>", dom, re.DOTALL)[1]))

        try:
            yield run
        finally:
            server.should_exit = True
            thread.join()


def kept(folder: Path) -> list[Correction]:
    corrections = Corrections(folder)
    corrections.close()
    return list(corrections)


def test_an_article_is_corrected_by_keyboard_and_offsets_are_code_points(
    checkpoint: Path, tmp_path: Path, tagger: Tagger
) -> None:
    found = [(s.label, HOSTILE[s.start : s.end]) for s in tagger.tag(HOSTILE)]
    assert ("ACTOR", "Police") in found
    probe = f"""
await paste({json.dumps(HOSTILE)});
seen.found = labels().map((label, n) => [label, mentions()[n]]);
seen.text = [...byId("text").childNodes].map((n) => n.textContent).join("");
seen.elements = document.querySelectorAll("#text img, #text script").length;
const at = mentions().indexOf("Police");
const reach = () => {{ do press("j"); while (!byId("status").textContent.endsWith(": Police")); }};
reach();
press("3");
seen.relabelled = labels()[at];
press("}}");
seen.longer = mentions()[at];
press("]", {{altKey: true}});
seen.later = mentions()[at];
press("u"); press("u");
seen.undone = [labels()[at], mentions()[at]];
press("u");
reach(); press("x");
seen.deleted = mentions();
for (let moves = 0; moves < 100 && !byId("status").textContent.startsWith("e\\u0301tude"); moves += 1) press("ArrowRight");
press("ArrowRight", {{shiftKey: true}});
press("2");
seen.added = mentions();
press("Enter");
await until(() => accepted() === 1);
seen.title = document.title;
seen.requests = performance.getEntriesByType("resource").map((one) => new URL(one.name).origin).filter((one) => one !== location.origin);
show(seen);
"""
    with browsing(checkpoint, tmp_path) as run:
        seen = run(probe)
    assert "problem" not in seen, seen
    assert [tuple(pair) for pair in seen["found"]] == found
    assert (seen["text"], seen["elements"], seen["requests"]) == (HOSTILE, 0, [])
    assert seen["title"] == "eventtag: tag and correct articles"
    assert (seen["relabelled"], seen["longer"]) == ("LOCATION", "Police attacked")
    assert seen["later"] == "olice attacked"
    assert seen["undone"] == ["LOCATION", "Police"]
    assert "Police" not in seen["deleted"]
    (correction,) = kept(tmp_path)
    article = correction.article
    assert article.text == HOSTILE
    assert re.fullmatch(r"\U0001f600 Police attacked Rebels in Lima \([0-9a-f]{16}\)", article.id)
    assert article.annotated is None
    spans = {(span.label, article.mention(span)) for span in article.spans}
    assert ("EVENT", "e\u0301tude \u202bשלום") in spans
    assert spans - {("EVENT", "e\u0301tude \u202bשלום")} <= set(found) - {("ACTOR", "Police")}
    assert Span(2, 8, "ACTOR") in correction.rejected
    assert {(s.label, HOSTILE[s.start : s.end]) for s in correction.rejected} | spans >= set(found)


def test_twenty_articles_by_keyboard_and_what_was_accepted_is_there_again(checkpoint: Path, tmp_path: Path) -> None:
    probe = """
byId("annotator").value = "Ann";
byId("annotator").dispatchEvent(new Event("change"));
for (let number = 0; number < 20; number += 1) await paste(`Police attacked Rebels in Lima on day ${number} .`);
for (let number = 0; number < 20; number += 1) {
  await until(() => document.querySelector("#text span"));
  press("j"); press("x");
  press("Enter");
  await until(() => accepted() === number + 1);
}
show(accepted());
"""
    again = """
byId("annotator").value = "Ann";
byId("annotator").dispatchEvent(new Event("change"));
await until(() => accepted() === 20);
seen.ann = accepted();
byId("annotator").value = "Bob";
byId("annotator").dispatchEvent(new Event("change"));
await until(() => accepted() === 0);
await paste("Nurses praised Moscow .\\n\\nPolice attacked Rebels in Lima .");
press("ArrowRight"); press("c");
await until(() => document.querySelector("#list .sub").textContent === " partly accepted");
seen.before = mentions();
byId("annotator").value = "Ann";
byId("annotator").dispatchEvent(new Event("change"));
await until(() => accepted() === 20);
byId("annotator").value = "Bob";
byId("annotator").dispatchEvent(new Event("change"));
await until(() => accepted() === 0 && mentions().length);
seen.after = mentions();
press("u");
seen.undone = byId("status").textContent;
show(seen);
"""
    with browsing(checkpoint, tmp_path) as run:
        assert run(probe) == 20
    assert len(kept(tmp_path)) == 20
    with browsing(checkpoint, tmp_path) as run:
        seen = run(again)
    assert seen["ann"] == 20
    assert seen["after"] == seen["before"]  # also the mentions of the paragraph that nobody has accepted
    assert "Lima" in seen["after"]
    assert seen["undone"] == "There is nothing to undo."
    assert len(kept(tmp_path)) == 21
    part = kept(tmp_path)[-1]
    assert (part.annotator, part.article.annotated) == ("Bob", ((0, 23),))
    assert all(span.end <= 23 for span in (*part.article.spans, *part.rejected))
    assert json.loads(json_line(part.article))["annotated"] == [[0, 23]]


@pytest.mark.skipif(AXE is None, reason="needs axe-core-python")
@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_no_violation(width: int, checkpoint: Path, tmp_path: Path) -> None:
    assert AXE is not None
    axe = (Path(AXE.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")  # type: ignore[index]
    probe = """
await paste("Police attacked Rebels in Lima .");
document.querySelectorAll("details").forEach((d) => { d.open = true; });
const result = await axe.run();
show(result.violations.map((v) => [v.id, v.impact, v.nodes.slice(0, 3).map((n) => n.html)]));
"""
    with browsing(checkpoint, tmp_path) as run:
        assert run(probe, width=width, axe=axe) == []
