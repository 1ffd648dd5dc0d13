"""The evaluation page in headless Chromium, where there is one."""

import html
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.reporting.html import render_page
from eventtag.reporting.training import TrainingHistory
from eventtag.scoring.report import analyse_articles
from eventtag.span import Span

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
LABELS = LabelSet()
HOSTILE = "\U0001f600 </script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> Kyiv fell"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

PROBE = """
const seen = {drawn: document.querySelectorAll("*").length};
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", {key}));
const choose = (id, value) => { const e = document.getElementById(id); e.value = value; e.dispatchEvent(new Event("input")); };
const heading = () => document.querySelector("#article h3").textContent;
const listed = () => [...document.querySelectorAll("#list button")].map((b) => b.firstChild.textContent);
seen.order = listed();
seen.first = heading();
seen.text = [...document.getElementById("text").childNodes].map((n) => n.nodeType === 3 ? n.data : n.firstChild.data).join("");
seen.gold = [...document.querySelectorAll("#text .g")].map((n) => n.firstChild.data);
seen.elements = document.querySelectorAll("#article img, #article script").length;
press("n");
seen.now = [...document.querySelectorAll("#text .now")].map((n) => n.firstChild.data);
press("j");
seen.second = heading();
seen.out = [...document.querySelectorAll("#text .out")].map((n) => n.textContent);
press("k");
seen.again = heading();
choose("filter-kind", "spurious");
seen.spurious = listed();
choose("filter-kind", "");
choose("filter-label", "LOCATION");
seen.location = listed();
choose("filter-label", "");
choose("find", "plain");
seen.found = listed();
choose("find", "nowhere");
seen.none = document.getElementById("article").textContent;
document.querySelector('[data-kind="missed"]').click();
choose("find", "");
seen.missed = listed();
choose("filter-kind", "");
choose("order", "id");
seen.byId = listed();
document.getElementById("theme").click();
seen.theme = document.documentElement.dataset.theme;
seen.title = document.title;
document.body.replaceChildren(JSON.stringify(seen));
"""


AXE = importlib.util.find_spec("axe_core_python")
AXE_PROBE = """
document.querySelectorAll("details").forEach((d) => { d.open = true; });
document.documentElement.dataset.theme = "THEME";
axe.run().then((result) => document.body.replaceChildren(JSON.stringify(
  result.violations.map((v) => [v.id, v.impact, v.nodes.slice(0, 3).map((n) => n.html)]))));
"""


def run_in_page(page, folder, *scripts, width=1280, wait=()):
    """What the scripts leave as the text of the body, as JSON; `wait` are options that let asynchronous scripts finish."""
    nonce = re.search(r"'nonce-([^']+)'", page).group(1)
    elements = "".join(f'<script nonce="{nonce}">{script}</script>' for script in scripts)
    path = folder / "page.html"
    path.write_text(page.replace("</body>", f"{elements}</body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", *wait]
    command = [CHROMIUM, *options, "--dump-dom", path.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    return json.loads(html.unescape(re.search(r"<body>(.*)</body>", dom, re.DOTALL).group(1)))


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    kyiv = Span(HOSTILE.index("Kyiv"), HOSTILE.index("Kyiv") + 4, "LOCATION")
    pairs = [
        (Article("b plain", "Plain words here.", (Span(0, 5, "EVENT"),)), [Span(0, 5, "EVENT", 0.9)]),
        (Article("c hostile", HOSTILE, (kyiv, Span(kyiv.end + 1, kyiv.end + 5, "EVENT"))), []),
        (Article("a spurious", "More plain words.", annotated=((0, 10),)), [Span(0, 4, "ACTOR", 0.4)]),
    ]
    # As many as the page holds by default, so that what it draws on opening is that of a large page.
    pairs += [(Article(f"z{n:03}", "filler " * 300, (Span(0, 6, "ACTOR"),)), [Span(0, 6, "ACTOR")]) for n in range(997)]
    page = render_page(analyse_articles(pairs, LABELS, resamples=50, words=None), pairs, title="Evaluation")
    return run_in_page(page, tmp_path_factory.mktemp("page"), PROBE)


def test_hostile_text_is_shown_and_does_nothing(seen):
    assert seen["text"] == HOSTILE
    assert (seen["elements"], seen["title"]) == (0, "Evaluation")


def test_spans_stand_on_their_words_after_characters_outside_the_basic_plane(seen):
    assert seen["gold"] == ["Kyiv", "fell"]


def test_worst_articles_come_first(seen):
    assert seen["order"][:3] == ["c hostile", "a spurious", "b plain"]
    assert seen["first"] == "c hostile"
    assert seen["byId"][0] == "a spurious"


def test_keys_move_between_articles_and_errors(seen):
    assert seen["now"] == ["Kyiv"]
    assert (seen["second"], seen["again"]) == ("a spurious", "c hostile")


def test_text_that_is_not_annotated_is_set_apart(seen):
    assert seen["out"] == [" words."]


def test_filters_by_kind_label_and_words(seen):
    assert seen["spurious"] == ["a spurious"]
    assert seen["location"] == ["c hostile"]
    assert seen["found"] == ["a spurious", "b plain"]
    assert seen["none"] == "No article fits the filters."
    assert seen["missed"] == ["c hostile"]


def test_the_theme_can_be_switched(seen):
    assert seen["theme"] in ("dark", "light")


def test_a_page_of_a_thousand_articles_draws_the_list_and_one_article(seen):
    """What it draws on opening is what makes a large page slow, so the other articles wait until they are asked for."""
    assert len(seen["order"]) == 1000
    assert seen["drawn"] < 5000


@pytest.mark.skipif(AXE is None, reason="needs axe-core-python")
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 400)])
def test_axe_finds_no_violation(theme, width, tmp_path):
    text = "Police arrested two men in Cairo. " * 20
    gold = (Span(0, 6, "ACTOR"), Span(7, 15, "EVENT"), Span(27, 32, "LOCATION"))
    predicted = [Span(0, 6, "ACTOR", 0.9), Span(16, 19, "ACTOR", 0.4), Span(24, 32, "LOCATION", 0.7)]
    pairs = [(Article(f"a{n}", text, gold, meta={"source": "ab"[n % 2]}), predicted[: 1 + n % 3]) for n in range(12)]
    training = TrainingHistory(
        [(0.5, 1.8), (1.0, 1.2)], [(0.5, 1e-4), (1.0, 0.0)], {label: [(1.0, 0.5)] for label in LABELS.labels}, 1.0
    )
    page = render_page(analyse_articles(pairs, LABELS, resamples=50), pairs, training=training)
    script = (Path(AXE.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
    probe = AXE_PROBE.replace("THEME", theme)
    assert run_in_page(page, tmp_path, script, probe, width=width, wait=["--virtual-time-budget=20000"]) == []
