import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.jobs.reading import json_values
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.reading.json_values import read_bounded_values

VALUES = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('a"\\,[]{}\n é'), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
RECORDS = st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), max_size=5)


def read(path, **options):
    rows = list(read_rows(str(path), **options))
    return [(row.article.id, row.article.text) for row in rows if row.article], [row for row in rows if row.article is None]


@given(RECORDS, st.sampled_from([None, 0, 2]), st.booleans(), st.integers(1, 30))
def test_values_come_one_by_one_with_their_places(records, indent, as_list, chunk):
    text = json.dumps(records, indent=indent) if as_list else "\n".join(json.dumps(record, indent=indent) for record in records)
    data = b"\xef\xbb\xbf" + text.encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "BUFFER", max(chunk, 4))
        found = list(read_bounded_values(io.BytesIO(data), max_bytes=10_000))
    assert [json.loads(value) for _, _, value, problem in found if problem is None] == records
    assert len(found) == len(records)
    for line, offset, value, _ in found:
        assert data[offset : offset + len(value.rstrip())] == value.rstrip()
        assert line == 1 + data.count(b"\n", 0, offset)


GOOD = '{"id": "%s", "text": "Kyiv fell."}'
BAD = {
    "NaN": '{"id": "x", "text": "a", "n": NaN}',
    "no object": '["a", "b"]',
    "no comma": '{"id": "x" "text": "a"}',
    "no text": '{"id": "x"}',
    "long": '{"text": "' + "a " * 3000 + '"}',
    "a word": "nonsense",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_item_of_a_list_costs_itself_only(tmp_path, kind):
    path = tmp_path / "a.json"
    path.write_text("[\n" + ",\n".join([GOOD % 1, BAD[kind], GOOD % 2, BAD[kind], GOOD % 3]) + "\n]\n")
    good, bad = read(path, max_row_bytes=2000)
    assert [name for name, _ in good] == ["1", "2", "3"]
    assert [row.place.line for row in bad] == [3, 5]


@pytest.mark.parametrize(
    ("content", "names", "message"),
    [
        (f"[{GOOD % 1}, {GOOD % 2}", ["1", "2"], "the list is not closed"),
        (f'[{GOOD % 1}, {{"id": "2", "te', ["1"], "what follows up to the end of the file is not read"),
        (f"[{GOOD % 1}]\n[{GOOD % 2}]\n{GOOD % 3} rest", ["1", "2", "3"], "not valid JSON"),
        (f"[{GOOD % 1}, [{GOOD % 2}]]", ["1"], "found list"),
    ],
)
def test_what_is_wrong_with_a_list_is_a_bad_row(tmp_path, content, names, message):
    (tmp_path / "a.json").write_text(content)
    good, bad = read(tmp_path / "a.json")
    assert [name for name, _ in good] == names
    assert len(bad) == 1
    assert message in bad[0].problem


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '{\n  "id": "1",\n  "text": "Kyiv fell."\n}\n{\n  "id": "2",\n  "text": "Kyiv fell."\n}'),
        ("a.json", f"{GOOD % 1}\n{GOOD % 2}\n"),
        ("a.jsonl", f"[{GOOD % 1},\n{GOOD % 2}]"),
        ("a.log", f"\n[\n{GOOD % 1},\n{GOOD % 2}]"),
        ("a.log", '{"id": "1",\n"text": "Kyiv fell."}\n' + GOOD % 2),
    ],
)
def test_objects_are_read_however_they_follow_each_other(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert read(tmp_path / name) == ([("1", "Kyiv fell."), ("2", "Kyiv fell.")], [])


def test_a_line_of_json_that_is_damaged_costs_itself_only(tmp_path):
    (tmp_path / "a.json").write_text(f'{{"id": "x", "text": "\n{GOOD % 1}\n{{\n{GOOD % 2}\n')
    good, bad = read(tmp_path / "a.json")
    assert [name for name, _ in good] == ["1", "2"]
    assert [row.place.line for row in bad] == [1, 3]


def test_a_text_that_begins_with_a_bracket_is_a_text(tmp_path):
    (tmp_path / "a.log").write_text("[Reuters] Kyiv fell.")
    assert read(tmp_path / "a.log") == ([("a.log", "[Reuters] Kyiv fell.")], [])


def test_items_without_an_id_are_numbered(tmp_path):
    (tmp_path / "a.json").write_text('[{"text": "a"}, {"text": "b"}]')
    assert read(tmp_path / "a.json")[0] == [("row-1", "a"), ("row-2", "b")]


def test_a_long_item_is_not_held_in_memory():
    data = io.BytesIO(b'[{"text": "' + b"a," * 10_000_000 + b'"}, {"text": "b"}]')
    tracemalloc.start()
    found = list(read_bounded_values(data, max_bytes=100_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(len(value) < 2000, problem is None) for _, _, value, problem in found] == [(True, False), (True, True)]
    assert peak < 3_000_000
