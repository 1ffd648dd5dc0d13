"""Kill the server while articles are corrected on its page by keyboard, and compare what it has kept with what the page showed.

    python scripts/kill_page.py CHECKPOINT              100 kills
    python scripts/kill_page.py CHECKPOINT --kills 4    a short form

Headless Chromium shows the page and gets the keys. Articles with emoji, combining marks and text from right to left are pasted, corrected
by keys drawn at random, and accepted, all of it or a paragraph. Meanwhile the server is killed (SIGKILL) and started again: half of the
times at any instant, its start included, and half of the times within 50 ms of the key that accepts, while it writes. After an error that
the page shows, the same is tried again, sometimes with a further correction. Now and then an accepted article is corrected once more, or
the page is loaded anew.

At the end, each article that the page showed as accepted must be kept exactly once: with the spans that were shown, in code points, those
that were rejected, the regions, and the annotator. A new page must show the same. Exit code 1 if anything differed.
"""

from __future__ import annotations

import argparse
import http.client
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from driven_browser import Browser
from transformers.utils.logging import disable_progress_bar

from eventtag.serving.server import serve
from eventtag.serving.store import Corrections
from eventtag.settings import InferencePrecision, ServeSettings
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger

ANNOTATOR = "Zoë 😀"
PATIENCE = 300.0
"""Seconds that the page has to show what it should."""
ADORNMENTS = (
    "", "😀", "👩‍👩‍👧 🇵🇪", "e\u0301tude a\u0323\u0302", "\u202bשלום\u202c", "مرحبا بكم", "नमस्ते", "𝔘𝔫𝔦", "<b onclick='x'>&amp;</b>", "a\u200db\u200c", "日本語",  # noqa: E501 - wide signs count twice
)  # fmt: skip
SENTENCES = ("Police attacked Rebels in Lima .", "Nurses praised Moscow in Osaka .", "Miners accused Police in Paris .")
CORRECTIONS = ("xj1", "j2", "j3", "jx", "jj}", "j{", "j]", "kA]", "kA}", "j[", "u", "R1", "RRS2", "RRRSS3", "RRRRR2", "LS1", "ju")
"""Keys; R and L are the arrows, S is Shift and the right arrow, A is Alt with the key after it."""
KEYS = {"R": ("ArrowRight", 0), "L": ("ArrowLeft", 0), "S": ("ArrowRight", 8)}
STARTING, WORKING, KEEPING = "while it started", "at any instant", "within 50 ms of the key that accepts"
LOOK = """(() => document.readyState === "complete" && document.getElementById("trainings") && ({
  title: document.getElementById("title").textContent,
  alert: document.getElementById("alert").textContent,
  pasted: document.getElementById("pasted").value,
  model: document.getElementById("model").textContent,
  states: [...document.querySelectorAll("#list button")].map((b) => [b.firstChild.textContent, b.lastChild.textContent.trim()]),
  pieces: [...document.querySelectorAll("#text > span")].map((n) =>
    [n.textContent, n.classList.contains("mention"), n.dataset.label || "", n.classList.contains("accepted")]),
}))()"""

Shown = frozenset[Span]
Regions = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class View:
    """What the page shows; places are code points of `text`."""

    title: str
    alert: str
    pasted: str
    ready: bool
    states: dict[str, str]
    text: str
    spans: Shown
    regions: Regions


@dataclass
class Accepted:
    """What the page showed as accepted of an article; `regions` is empty for all of it."""

    text: str
    spans: Shown
    rejected: Shown
    regions: Regions


@dataclass
class Server:
    """The server that is killed: `kills` by kind, and the number of starts. No threads, as this process forks."""

    checkpoint: str
    folder: Path
    chance: random.Random
    wanted: int
    port: int = 0
    process: BaseProcess | None = None
    starts: int = 0
    armed: str = ""
    kills: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Start it, and draw when it is to be killed next."""
        self.process = get_context("fork").Process(target=self._serve)
        self.process.start()
        self.starts += 1
        self.armed = ""
        if self.kills.total() < self.wanted:
            (self.armed,) = self.chance.choices((STARTING, WORKING, KEEPING), (1, 4, 5))
            if self.armed == STARTING:
                self._kill_within(1)

    def accepting(self) -> None:
        """The key that accepts is pressed."""
        if self.armed == KEEPING:
            self._kill_within(0.05)

    def kill(self, *_: object) -> None:
        """The instant has come."""
        assert self.process is not None
        self.process.kill()
        self.kills[self.armed] += 1

    def revive(self) -> None:
        """Start it again if it is dead."""
        assert self.process is not None
        if self.process.is_alive():
            return
        if self.process.exitcode != -signal.SIGKILL:
            raise SystemExit(f"the server ended by itself: {(self.folder / 'log').read_text()}")
        time.sleep(self.chance.uniform(0, 0.3))
        self.start()

    def wait(self) -> None:
        """Until it answers."""
        while True:
            self.revive()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("GET", "/health")
                if connection.getresponse().read():
                    break
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
        if self.armed == WORKING:
            self._kill_within(3)

    def stop(self) -> int | None:
        """End it in order; its exit code."""
        assert self.process is not None
        self.process.terminate()
        self.process.join()
        return self.process.exitcode

    def _kill_within(self, seconds: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, self.chance.uniform(0.001, seconds))

    def _serve(self) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        with (self.folder / "log").open("a", encoding="utf-8") as log:
            sys.stdout = sys.stderr = log
            folder, precision = str(self.folder / "annotations"), InferencePrecision.fp32
            serve(ServeSettings(self.checkpoint, annotations=folder, port=self.port, precision=precision, threads=1))


@dataclass
class Annotator:
    """Who works on the page: `tagged` are the suggestions as they first were, `suggested` those that the page knows of."""

    browser: Browser
    server: Server
    chance: random.Random
    accepted: dict[str, Accepted] = field(default_factory=dict)
    tagged: dict[str, Shown] = field(default_factory=dict)
    suggested: dict[str, Shown] = field(default_factory=dict)
    acceptances: int = 0
    errors: int = 0

    def look(self) -> View:
        """The page as it is."""
        seen = self.browser.evaluate(LOOK)
        if not seen:  # the page is being loaded
            return View("", "", "", False, {}, "", frozenset(), ())
        spans: set[Span] = set()
        regions: list[tuple[int, int]] = []
        at, begun, text = 0, None, ""
        for piece, mention, label, inside in seen["pieces"]:
            end = at + len(piece)
            if mention and begun is None:
                begun = at
            if label and begun is not None:
                spans.add(Span(begun, end, label.split(" ")[0]))
                begun = None
            if inside and regions and regions[-1][1] == at:
                regions[-1] = (regions[-1][0], end)
            elif inside:
                regions.append((at, end))
            text, at = text + piece, end
        told = (seen["title"], seen["alert"], seen["pasted"], bool(seen["model"]), dict(seen["states"]))
        return View(*told, text, frozenset(spans), tuple(regions))

    def looks(self) -> Iterator[View]:
        """The page again and again; the server is started again meanwhile. Raises TimeoutError after PATIENCE seconds."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.server.revive()
            yield self.look()
            time.sleep(0.02)
        raise TimeoutError(f"the page shows neither what it should nor an error: {self.look()}")

    def until(self, holds: Callable[[View], bool]) -> View:
        """The page when it shows this, or an error."""
        return next(view for view in self.looks() if view.alert or holds(view))

    def keys(self, keys: str) -> None:
        """Press these keys."""
        alt = 0
        for key in keys:
            if key == "A":
                alt = 1
                continue
            name, modifiers = KEYS.get(key, (key, alt))
            self.browser.press(name, modifiers)
            alt = 0

    def read_error(self) -> None:
        """Take the error away that the page shows, and wait for the server."""
        self.errors += 1
        self.browser.evaluate('document.getElementById("alert").textContent = ""')
        self.server.wait()

    def load(self) -> None:
        """Load the page, until it shows what was accepted."""
        while True:
            self.server.wait()
            starts = self.server.starts
            if not self.browser.navigate(f"http://127.0.0.1:{self.server.port}/"):
                continue
            for view in self.looks():
                if view.alert or self.server.starts != starts:
                    break
                if view.ready and len(view.states) >= len(self.accepted):
                    for name, kept in self.accepted.items():
                        self.suggested[name] = kept.rejected
                        if kept.regions:  # outside of them, the server is asked again
                            self.suggested[name] |= {s for s in self.tagged[name] if not overlaps(s, kept.regions)}
                    return

    def paste(self, text: str) -> None:
        """Paste an article, and open it."""
        self.browser.evaluate('document.getElementById("pasted").focus()')
        self.browser.insert(text)
        self.browser.press("Tab")
        while True:
            self.browser.press("Enter")
            view = self.until(lambda view: not view.pasted and view.text == text)
            if not view.alert:
                break
            self.read_error()
        self.tagged[view.title] = self.suggested[view.title] = view.spans

    def correct(self) -> None:
        """A few corrections of the open article."""
        for _ in range(self.chance.randint(0, 4)):
            self.keys(self.chance.choice(CORRECTIONS))

    def accept(self) -> None:
        """Accept the open article, or one of its paragraphs, until the page shows that."""
        part = self.chance.random() < 0.2 and self.look().title not in self.accepted
        state = "partly accepted" if part else "accepted"
        while True:
            if part:
                self.keys("R")
            before = self.look()
            name = before.title
            self.server.accepting()
            self.browser.press("c" if part else "Enter")
            if self.chance.random() < 0.1:
                self.keys("jx")
            after = self.until(lambda view, name=name: view.states[name] == state and (part or view.title != name))
            if not after.alert:
                break
            self.read_error()
            if self.chance.random() < 0.5:
                self.correct()
        self.acceptances += 1
        regions = after.regions if part else ()
        spans, refused = (
            frozenset(s for s in of if not part or within(s, regions))
            for of in (before.spans, self.suggested[name] - before.spans)
        )
        self.accepted[name] = Accepted(before.text, spans, refused, regions)

    def reopen(self, name: str) -> View:
        """Open an article of the list."""
        at = list(self.look().states).index(name)
        self.browser.evaluate(f'document.querySelectorAll("#list button")[{at}].focus()')
        self.browser.press("Enter")
        return self.look()

    def work(self, number: int) -> None:
        """One article, and what may come after it."""
        words = [f"{self.chance.choice(ADORNMENTS)} Day {number} :"]
        for sentence in SENTENCES:
            words += [self.chance.choice(ADORNMENTS), sentence, self.chance.choice(("", "\n\n"))]
        self.paste(" ".join(filter(None, words)).strip())
        self.correct()
        self.accept()
        if self.chance.random() < 0.25:
            self.reopen(self.chance.choice(list(self.accepted)))
            self.correct()
            self.accept()
        if self.chance.random() < 0.1:
            self.load()


def within(span: Span, regions: Regions) -> bool:
    """Whether one of the regions holds the span."""
    return any(start <= span.start and span.end <= end for start, end in regions)


def overlaps(span: Span, regions: Regions) -> bool:
    """Whether it shares a character with one of them."""
    return any(span.start < end and start < span.end for start, end in regions)


def work_and_compare(annotator: Annotator, kills: int, folder: Path) -> list[str]:
    """Work until the server was killed so often, and print what was done; returns what is not kept, or not shown, as it was accepted."""
    server = annotator.server
    annotator.load()
    annotator.browser.evaluate('document.getElementById("annotator").focus()')
    annotator.browser.insert(ANNOTATOR)
    annotator.browser.press("Tab")
    number = 0
    while server.kills.total() < kills:
        number += 1
        annotator.work(number)
        if number % 20 == 0:
            print(f"{number} articles, {server.kills.total()} kills", flush=True)
    annotator.load()
    shown = {name: annotator.reopen(name) for name in annotator.accepted}
    code = server.stop()
    corrections = Corrections(folder)
    corrections.close()
    kept = {name: [c for c in corrections if c.article.id == name] for name in annotator.accepted}
    wrong = [] if code == 0 else [f"the server ended with {code}"]
    if len(corrections) != len(annotator.accepted):
        wrong.append(f"{len(corrections)} corrections are kept of {len(annotator.accepted)} articles")
    for name, expected in annotator.accepted.items():
        view = shown[name]
        found = [
            Accepted(c.article.text, frozenset(c.article.spans), frozenset(c.rejected), c.article.annotated or ())
            for c in kept[name]
        ]
        if found != [expected] or kept[name][0].annotator != ANNOTATOR:
            wrong.append(f"{name}: {kept[name]} is kept, {expected} was accepted")
        spans = frozenset(span for span in view.spans if not expected.regions or within(span, expected.regions))
        if (view.text, spans, view.regions) != (expected.text, expected.spans, expected.regions):
            wrong.append(f"{name}: {view} is shown, {expected} was accepted")
    kinds = ", ".join(f"{count} {kind}" for kind, count in server.kills.most_common())
    spans = sum(len(one.spans) for one in annotator.accepted.values())
    print(
        f"{server.kills.total()} kills ({kinds}); {len(annotator.accepted)} articles with {spans} spans, accepted {annotator.acceptances} "
        f"times; the page showed {annotator.errors} errors, each tried again; {corrections.events - annotator.acceptances} acceptances "
        f"were on the disk although the server was killed before it said so; {len(wrong)} wrong"
    )
    return wrong


def main() -> int:
    """Work on the page until the server was killed often enough; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - when to kill is no secret
    disable_progress_bar()  # it leaves a thread behind
    Tagger.load(options.checkpoint, threads=1)  # what is imported for it is there in every fork
    for thread in threading.enumerate()[1:]:  # they loaded the weights and are ending; a fork would keep their locks
        thread.join()
    with tempfile.TemporaryDirectory(prefix="kill_page.") as name:
        folder = Path(name)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = Server(options.checkpoint, folder, chance, options.kills, port)
        signal.signal(signal.SIGALRM, server.kill)
        with Browser(folder / "browser") as browser:
            server.start()
            try:
                wrong = work_and_compare(Annotator(browser, server, chance), options.kills, folder / "annotations")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                server.stop()
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
