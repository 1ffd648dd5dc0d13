"""What the page says of articles that the server has, or has not, kept: in headless Chromium, where there is one."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from test_page import CHROMIUM, browsing, kept

from eventtag.serving.store import Corrections

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

STATES = 'const states = () => [...document.querySelectorAll("#list .sub")].map((n) => n.textContent.trim());\n'


def test_nothing_that_the_server_has_not_kept_is_shown_as_accepted(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, a second window of the same person, and a change while the server writes."""
    real, full = os.write, [True]

    def write(descriptor: int, content: bytes) -> int:
        if full and b'"annotator":' in content:
            full.clear()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    probe = f"""{STATES}
await paste("Police attacked Rebels in Lima .");
press("Enter");
await until(() => byId("alert").textContent);
seen.full = byId("alert").textContent;
seen.fullStates = states();
press("Enter");
await until(() => accepted() === 1);
seen.cleared = byId("alert").textContent;

await paste("Nurses praised Moscow in Osaka .");
const id = byId("title").textContent;
const body = {{ annotator: "", article: {{ id, text: "Nurses praised Moscow in Osaka .", spans: [] }} }};
await fetch("api/corrections", {{ method: "POST", headers: {{ "Content-Type": "application/json" }}, body: JSON.stringify(body) }});
press("Enter");
await until(() => byId("alert").textContent);
seen.other = byId("alert").textContent;
seen.otherStates = states();
press("Enter");
await until(() => accepted() === 2);

await paste("Miners met Students in Quito .");
const fetched = window.fetch;
let answer;
window.fetch = (address, options) => address !== "api/corrections" ? fetched(address, options)
  : new Promise((resolve) => {{ answer = () => resolve(fetched(address, options)); }});
press("Enter");
await until(() => answer);
press("j"); press("x");
window.fetch = fetched;
answer();
await until(() => byId("alert").textContent);
seen.changed = byId("alert").textContent;
seen.changedStates = states();
press("Enter"); press("Enter");
await until(() => accepted() === 3);
show(seen);
"""
    with browsing(checkpoint, tmp_path) as run:
        seen = run(probe)
    assert "problem" not in seen, seen
    assert "could not be written (No space left on device) and is not kept" in seen["full"]
    assert (seen["fullStates"], seen["cleared"]) == (["open"], "")
    assert "accepted under this name after it was opened here" in seen["other"]
    assert seen["otherStates"] == ["accepted", "open"]
    assert "changed while it was being kept" in seen["changed"]
    assert seen["changedStates"] == ["accepted", "accepted", "changed"]
    first, second, third = kept(tmp_path)
    assert all(correction.article.spans for correction in (first, second))
    assert "Miners" not in [third.article.mention(span) for span in third.article.spans]


def test_articles_with_one_id_and_two_texts_are_both_there_and_both_kept(checkpoint: Path, tmp_path: Path) -> None:
    rows = [{"id": "1", "text": text} for text in ("Police met Miners in Lima .", "Nurses met Rebels in Paris .")]
    probe = f"""{STATES}
const send = async (row) => {{
  const before = byId("list").childElementCount;
  const given = new DataTransfer();
  given.items.add(new File([JSON.stringify(row)], "a.jsonl"));
  byId("files").files = given.files;
  byId("files").dispatchEvent(new Event("change"));
  await until(() => byId("list").childElementCount > before || byId("status").textContent.includes("already"));
}};
for (const row of {json.dumps(rows)}) {{
  await send(row);
  press("Enter");
  await until(() => states().every((state) => state === "accepted"));
}}
seen.count = states().length;
await send({json.dumps(rows[1])});
seen.again = states().length;
show(seen);
"""
    with browsing(checkpoint, tmp_path) as run:
        seen = run(probe)
    assert seen == {"count": 2, "again": 2}
    corrections = Corrections(tmp_path)
    corrections.close()
    assert [one.article.text for one in corrections] == [row["text"] for row in rows]


def test_a_page_that_opens_while_the_server_is_away_asks_again_and_shows_what_was_kept(checkpoint: Path, tmp_path: Path) -> None:
    before = """
const real = window.fetch;
window.told = [];
let number = 0;
window.fetch = (...options) => {
  number += 1;
  if (number === 1 || number === 3 || number === 4) return Promise.reject(new TypeError("no connection"));
  if (number === 2 || number === 5) window.told.push(document.getElementById("alert").textContent);
  return real(...options);
};
"""
    with browsing(checkpoint, tmp_path) as run:
        run('await paste("Police attacked Rebels in Lima ."); press("Enter"); await until(() => accepted() === 1); show(seen);')
        probe = f"""{STATES}
await until(() => states().length);
show({{ told: window.told, states: states(), alert: byId("alert").textContent, status: byId("status").textContent }});
"""
        seen = run(probe, before=before)
    assert seen["told"] == ["The server does not answer; the page asks it again."] * 2
    assert (seen["states"], seen["alert"], seen["status"]) == (["accepted"], "", "")


def test_what_was_suggested_counts_as_rejected_also_when_the_page_has_asked_for_the_corrections_again(
    checkpoint: Path, tmp_path: Path
) -> None:
    probe = """
await paste("Police attacked Rebels in Lima .");
press("Enter");
await until(() => accepted() === 1);
document.querySelector("#list button").click();
await until(() => mentions().length);
byId("annotator").dispatchEvent(new Event("change"));
await until(() => !mentions().length);
document.querySelector("#list button").click();
await until(() => mentions().length);
seen.before = mentions().length;
press("j"); press("x"); press("Enter");
await until(() => byId("status").textContent.startsWith("Kept"));
show(seen);
"""
    with browsing(checkpoint, tmp_path) as run:
        seen = run(probe)
    (correction,) = kept(tmp_path)
    assert len(correction.article.spans) == seen["before"] - 1
    assert len(correction.rejected) == 1


def test_what_was_rejected_stays_rejected_when_the_page_was_loaded_again(checkpoint: Path, tmp_path: Path) -> None:
    with browsing(checkpoint, tmp_path) as run:
        run("""
await paste("Police attacked Rebels in Lima .");
press("j"); press("x"); press("Enter");
await until(() => accepted() === 1);
show(seen);
""")
        (before,) = kept(tmp_path)
        run("""
await until(() => accepted() === 1);
document.querySelector("#list button").click();
await until(() => mentions().length);
press("j"); press("x"); press("Enter");
await until(() => byId("status").textContent.startsWith("Kept"));
show(seen);
""")
    (after,) = kept(tmp_path)
    assert len(before.rejected) == 1
    assert after.rejected == before.rejected
    assert len(after.article.spans) == len(before.article.spans) - 1


def test_what_the_page_asks_by_itself_takes_no_message_away(checkpoint: Path, tmp_path: Path) -> None:
    probe = """
await paste("Police attacked Rebels in Lima .");
const fetched = window.fetch;
window.fetch = () => Promise.reject(new TypeError("no connection"));
press("Enter");
await until(() => byId("alert").textContent);
byId("annotator").dispatchEvent(new Event("change"));
await new Promise((done) => setTimeout(done, 3000));
let asked = 0;
window.fetch = async (...options) => { const answer = await fetched(...options); asked += 1; return answer; };
await until(() => asked);
await new Promise((done) => setTimeout(done, 100));
show({ alert: byId("alert").textContent, accepted: accepted() });
"""
    with browsing(checkpoint, tmp_path) as run:
        seen = run(probe)
    assert seen["alert"].startswith("The server does not answer. What was accepted is kept; accept this article again")
    assert seen["accepted"] == 0
