"""The file of corrections: what was confirmed stays, whatever happens."""

from __future__ import annotations

import errno
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_article
from hypothesis import given
from hypothesis import strategies as st

from eventtag.errors import FormatError, OutputError
from eventtag.serving.refusals import RequestError
from eventtag.serving.store import CORRECTIONS_FILE, Correction, Corrections
from eventtag.span import Span

ARTICLE = make_article("é", "Police/ACTOR met 😀 in Lima/LOCATION .", annotated=((0, 9),))


def correction(key: str, *, annotator: str = "Ann") -> Correction:
    return Correction(key, "page", annotator, ARTICLE, (Span(7, 10, "EVENT"),), document=f"d/{key}")


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    store = Corrections(tmp_path)
    store.save([correction("a"), correction("b")])
    store.save([correction("a", annotator="Bob")])
    assert store.delete(["b", "unknown"]) == 1
    store.save([correction("c")])
    before = list(store)
    store.close()
    again = Corrections(tmp_path)
    assert list(again) == before
    assert [(one.key, one.annotator) for one in again] == [("a", "Bob"), ("c", "Ann")]
    assert again.events == 5
    assert again.delete_documents(["d/c"]) == 1
    assert [one.key for one in again] == ["a"]
    again.close()


def whole_file(folder: Path) -> bytes:
    store = Corrections(folder)
    store.save([correction("a")])
    store.save([correction("b")])
    store.delete(["a"])
    store.save([correction("c")])
    store.close()
    return (folder / CORRECTIONS_FILE).read_bytes()


@given(share=st.floats(0, 1))
def test_a_file_cut_at_any_byte_gives_all_whole_lines(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    folder = tmp_path_factory.mktemp("cut")
    data = whole_file(folder)
    cut = data[: int(share * len(data))]
    (folder / CORRECTIONS_FILE).write_bytes(cut)
    lines = cut.count(b"\n")
    if cut + b"\n" in (b"".join(data.splitlines(keepends=True)[: n + 1]) for n in range(4)):
        lines += 1  # only the line's end was missing
    store = Corrections(folder)
    assert store.events == lines
    store.save([correction("d")])
    store.close()
    again = Corrections(folder)
    assert again.events == lines + 1
    assert [one.key for one in again][-1] == "d"
    again.close()


def test_a_torn_line_is_kept_aside_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = whole_file(tmp_path)
    (tmp_path / CORRECTIONS_FILE).write_bytes(data + b'{"key": "x", "arti')
    with caplog.at_level(logging.WARNING):
        store = Corrections(tmp_path)
    assert "its last line was not written to the end" in caplog.text
    assert "4 lines before it are whole" in caplog.text
    assert (tmp_path / f"{CORRECTIONS_FILE}.torn-5").read_bytes() == b'{"key": "x", "arti'
    assert (tmp_path / CORRECTIONS_FILE).read_bytes() == data
    store.close()


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    lines = whole_file(tmp_path).splitlines(keepends=True)
    (tmp_path / CORRECTIONS_FILE).write_bytes(lines[0] + lines[1][:50] + b"\n" + lines[2])
    with pytest.raises(FormatError, match=rf"{CORRECTIONS_FILE}:2: is damaged"):
        Corrections(tmp_path)


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = whole_file(tmp_path)
    store = Corrections(tmp_path)
    real = os.write

    def full(descriptor: int, content: bytes) -> int:
        real(descriptor, content[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match=r"not kept; make room"):
        store.save([correction("d")])
    monkeypatch.undo()
    assert store.get("d") is None
    assert (tmp_path / CORRECTIONS_FILE).read_bytes() == data
    store.save([correction("e")])
    store.close()
    assert [one.key for one in Corrections(tmp_path)] == ["b", "c", "e"]


def test_it_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Corrections(tmp_path)
    seen: list[tuple[int, bool]] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda d: (seen.append((os.fstat(d).st_size, store.get("a") is None)), real(d)))
    store.save([correction("a")])
    assert seen == [((tmp_path / CORRECTIONS_FILE).stat().st_size, True)]
    store.close()


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_a_file_that_was_taken_away_takes_no_correction_unnoticed(tmp_path: Path, change: str) -> None:
    store = Corrections(tmp_path)
    store.save([correction("a")])
    store.file.rename(tmp_path / "elsewhere")
    if change == "replaced":
        store.file.write_bytes(b"")
    with pytest.raises(OutputError, match=r"corrections\.jsonl: was moved, removed or replaced .* is not kept"):
        store.save([correction("b")])
    assert store.get("b") is None
    (tmp_path / "elsewhere").rename(store.file)
    store.save([correction("c")])
    store.close()
    assert [one.key for one in Corrections(tmp_path)] == ["a", "c"]


def test_a_correction_does_not_replace_one_that_its_sender_has_not_seen(tmp_path: Path) -> None:
    store = Corrections(tmp_path)
    store.save([correction("a")])
    store.save([replace(correction("a"), annotator="other")], since=1)
    for since in (0, 1):
        with pytest.raises(RequestError, match="accepted under this name after it was opened") as refused:
            store.save([correction("a")], since=since)
        assert refused.value.status == 409
    store.save([replace(correction("a"), annotator="other")], since=0)  # sent again, as its answer was lost
    store.delete(["a"])
    with pytest.raises(RequestError):
        store.save([correction("a")], since=3)
    store.close()
    again = Corrections(tmp_path)
    assert again.events == 4
    with pytest.raises(RequestError):
        again.save([correction("a")], since=3)
    again.save([correction("a")], since=4)
