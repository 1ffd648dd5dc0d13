import json

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError, SettingsError
from eventtag.formats.label_studio import read_label_studio, sniff_label_studio, write_label_studio
from eventtag.formats.label_studio_interface import interface_path, own_names, render_interface, write_interface
from eventtag.formats.registry import recognise
from eventtag.ledger import LossLedger
from eventtag.span import Span


def region(start, end, text, *labels, kind="labels", **more):
    value = {"start": start, "end": end, "text": text, kind: list(labels)}
    return {"id": "x", "from_name": "label", "to_name": "text", "type": kind, "value": value, **more}


def task(text, *annotations, **more):
    return {"id": 7, "data": {"text": text}, "annotations": list(annotations), "predictions": [], **more}


def read(tmp_path, content, **options):
    path = tmp_path / "export.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    ledger = LossLedger()
    return list(read_label_studio(path, ledger=ledger, **options)), ledger


def mentions(article):
    return [(article.mention(span), span.label) for span in article.spans]


def test_a_full_export_is_read(tmp_path):
    result = [
        region(0, 4, "Kyiv", "LOC", "GPE"),
        {"type": "choices", "from_name": "c", "value": {"choices": ["war"]}},
        {"type": "relation"},
    ]
    articles, ledger = read(tmp_path, [task("Kyiv fell", {"completed_by": 3, "result": result})])
    assert [(a.id, mentions(a), a.annotated) for a in articles] == [("7", [("Kyiv", "GPE"), ("Kyiv", "LOC")], None)]
    assert (ledger.seen, ledger.entries) == (2, [])
    assert recognise(tmp_path / "export.json")[0].name == "label_studio"


def test_json_min_and_json_lines_are_read(tmp_path):
    row = {
        "id": 1,
        "text": "Kyiv fell",
        "label": [{"start": 0, "end": 4, "text": "Kyiv", "labels": ["LOC"]}],
        "annotator": 1,
        "annotation_id": 2,
    }
    lines = json.dumps(row) + "\n" + json.dumps(row | {"id": 2, "label": []}) + "\n"
    articles, _ = read(tmp_path, lines)
    assert [(a.id, mentions(a), a.annotated) for a in articles] == [("1", [("Kyiv", "LOC")], None), ("2", [], None)]
    assert sniff_label_studio(lines)


@pytest.mark.parametrize(("start", "end"), [(6, 10), (7, 11)])
def test_code_points_and_utf16_units_are_told_apart_by_the_surface(tmp_path, start, end):
    articles, ledger = read(tmp_path, [task("a 👩 b Kyiv", {"result": [region(start, end, "Kyiv", "LOC")]})])
    assert mentions(articles[0]) == [("Kyiv", "LOC")]
    assert ledger.entries == []


def test_line_ends_that_count_as_one_are_told_by_the_surface(tmp_path):
    articles, ledger = read(tmp_path, [task("a\r\nb\r\nKyiv", {"result": [region(4, 8, "Kyiv", "LOC")]})])
    assert (mentions(articles[0]), ledger.entries) == ([("Kyiv", "LOC")], [])


def test_regions_on_another_text_are_moved_or_named(tmp_path):
    result = [region(3, 7, "Kyiv", "LOC"), region(0, 4, "Lviv", "LOC"), region(400, 404, "Oslo", "LOC")]
    articles, ledger = read(tmp_path, [task("in  Kyiv", {"result": result})])
    assert mentions(articles[0]) == [("Kyiv", "LOC")]
    assert [e.outcome for e in ledger.entries] == ["moved", "dropped", "dropped"]


def test_of_several_annotations_the_ground_truth_counts_and_the_others_are_named(tmp_path):
    first = {"completed_by": {"id": 1, "email": "a@x"}, "result": [region(0, 4, "Kyiv", "A")]}
    truth = {"completed_by": 2, "ground_truth": True, "result": [region(5, 9, "fell", "B")]}
    skipped = {"completed_by": 3, "was_cancelled": True, "result": []}
    tasks = [task("Kyiv fell", first, truth, skipped)]
    articles, ledger = read(tmp_path, tasks)
    assert [(a.id, mentions(a)) for a in articles] == [("7", [("fell", "B")])]
    assert [(e.outcome, e.label, e.asked) for e in ledger.entries] == [("dropped", "A", False)]
    articles, ledger = read(tmp_path, tasks, annotations="each")
    assert [(a.id, mentions(a), a.meta) for a in articles] == [
        ("7@2", [("fell", "B")], {"annotator": "2"}),
        ("7@1", [("Kyiv", "A")], {"annotator": "1"}),
    ]
    articles, ledger = read(tmp_path, tasks, annotator="a@x")
    assert [mentions(a) for a in articles] == [[("Kyiv", "A")]]


def test_equal_annotations_of_two_annotators_are_two(tmp_path):
    same = {"result": [region(0, 4, "Kyiv", "A")]}
    articles, ledger = read(tmp_path, [task("Kyiv fell", same, same)])
    assert len(articles) == 1
    assert len(ledger.entries) == 1
    articles, _ = read(tmp_path, [task("Kyiv fell", same, same)], annotations="each")
    assert [a.id for a in articles] == ["7@1", "7@2"]


def test_predictions_can_be_read_with_their_scores(tmp_path):
    tasks = [task("Kyiv fell", predictions=[{"result": [region(0, 4, "Kyiv", "LOC", score=0.5)]}])]
    articles, _ = read(tmp_path, tasks, annotations="predictions")
    assert articles[0].spans == (Span(0, 4, "LOC", 0.5),)


def test_a_task_that_nobody_annotated_has_no_annotated_region(tmp_path):
    articles, _ = read(tmp_path, [task("Kyiv fell"), task("x", {"was_cancelled": True, "result": []}, id=8)])
    assert [a.annotated for a in articles] == [(), ()]


def test_hypertext_regions_use_their_global_offsets(tmp_path):
    item = region("/div/text()", "/div/text()", "Kyiv", "LOC", kind="hypertextlabels")
    item["value"] |= {"startOffset": 1, "globalOffsets": {"start": 3, "end": 7}}
    articles, _ = read(tmp_path, [{"id": 1, "data": {"body": "in Kyiv"}, "annotations": [{"result": [item]}]}])
    assert mentions(articles[0]) == [("Kyiv", "LOC")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[{"id": 1,\n "data": {"text": "a"}},\n {"id": 2, "data": {}}]', "export.json:3: no field of its `data` holds a text"),
        ('[{"id": 1, "data": {"text": "a"}}', "export.json:1: neither a comma nor the end"),
        ('[{"id": 1, "data"', "export.json:1: not valid JSON"),
        ("[1]", "export.json:1: a JSON int where an object is needed"),
        (json.dumps([task("ab", {"result": [region("0", 1, "a", "X")]})]), "`start` is '0'; it must be a whole number"),
        (json.dumps([task("ab", {"result": "none"})]), "`result` is a str; it must be a list"),
        (json.dumps([task(5)]), "no field of its `data` holds a text"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_damaged_export_is_an_error_with_file_and_line(tmp_path, content, problem):
    with pytest.raises(FormatError, match=problem):
        read(tmp_path, content)


def test_articles_come_back_with_everything(tmp_path):
    articles = [
        Article("a/1", "👩 Kyiv\r\n", (Span(2, 6, "X"), Span(0, 6, "Y")), ((0, 2),), ("X", "Y"), {"k": [1]}),
        Article("b", "", meta={"split": "train"}),
    ]
    ledger = LossLedger()
    write_label_studio(articles, tmp_path / "out.json", ledger=ledger)
    assert list(read_label_studio(tmp_path / "out.json", ledger=ledger)) == articles
    assert (ledger.entries, ledger.notes) == ([], [])


def test_an_empty_export_can_be_written_and_read(tmp_path):
    write_label_studio([], tmp_path / "out.json", ledger=LossLedger())
    assert list(read_label_studio(tmp_path / "out.json", ledger=LossLedger())) == []


def test_arrays_are_streamed_in_pieces_of_any_size(tmp_path, monkeypatch):
    articles = [Article(str(n), "é👩\n" * n) for n in range(40)]
    write_label_studio(articles, tmp_path / "out.json", ledger=LossLedger())
    for size in (1, 2, 3, 7):
        monkeypatch.setattr("eventtag.formats.json_file.CHUNK", size)
        assert list(read_label_studio(tmp_path / "out.json", ledger=LossLedger())) == articles


def place(start, end, key=None, labels=(), **more):
    """A value without a surface."""
    return {"start": start, "end": end, **({key: list(labels)} if key else {}), **more}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("labels", place(0, 4, "labels", ["LOC"])),
        ("hypertextlabels", place(0, 4, "htmllabels", ["LOC"])),
        ("textlabels", place(0, 4, "textlabels", ["LOC"])),
        ("paragraphlabels", place("0", "0", "paragraphlabels", ["LOC"], startOffset=0, endOffset=4)),
        ("taxonomy", place(0, 4, "taxonomy", [["LOC"]])),
        ("hypertextlabels", place("/text()[1]", "/text()[1]", "hypertextlabels", ["LOC"], startOffset=0, endOffset=4)),
    ],
)
def test_every_kind_of_region_with_a_place_in_the_text_is_read(tmp_path, kind, value):
    articles, ledger = read(tmp_path, [task("Kyiv fell", {"result": [{"type": kind, "to_name": "text", "value": value}]})])
    assert [(mentions(a), a.annotated) for a in articles] == [([("Kyiv", "LOC")], None)]
    assert (ledger.seen, ledger.entries) == (1, [])


@pytest.mark.parametrize(
    ("value", "annotated"),
    [
        (place(0, 4), ((4, 9),)),
        (place(5, 9, "labels"), ((0, 5),)),
        (place("/p/text()[1]", "/p/text()[1]", "labels", ["LOC"]), ()),
    ],
)
def test_a_region_that_is_not_read_is_lost_and_its_place_not_annotated(tmp_path, value, annotated):
    articles, ledger = read(tmp_path, [task("Kyiv fell", {"result": [{"type": "labels", "to_name": "text", "value": value}]})])
    assert [(a.spans, a.annotated) for a in articles] == [((), annotated)]
    assert [(e.outcome, e.asked) for e in ledger.entries] == [("dropped", False)]
    assert ledger.seen == 1


def test_answers_about_a_region_are_no_spans(tmp_path):
    first = region(0, 4, "Kyiv", "LOC") | {"id": "r1"}
    answers = [
        {"id": "r1", "type": "choices", "to_name": "text", "value": place(0, 4, "choices", ["sure"])},
        {"id": "r1", "type": "taxonomy", "to_name": "text", "value": place(0, 4, "taxonomy", [["City"]])},
        {"id": "r1", "type": "labels", "to_name": "text", "value": place(0, 4)},
    ]
    articles, ledger = read(tmp_path, [task("Kyiv fell", {"result": [*answers, first]})])
    assert mentions(articles[0]) == [("Kyiv", "LOC")]
    assert ledger.entries == []
    assert [note.part for note in ledger.notes] == ["meta"]


def test_regions_of_html_are_those_of_the_text_that_it_shows(tmp_path):
    html = "<p><b>Kyiv</b> &amp; fell.</p>\r\n<p>Then <b>Kyiv</b><br>burned 👩.</p><p>Now <b>Kyiv</b> is quiet.</p>"
    shown = "Kyiv & fell.\nThen Kyiv\nburned 👩.Now Kyiv is quiet."
    items = []
    for start in (i for i in range(len(shown)) if shown.startswith("Kyiv", i)):
        utf16 = start + (start > shown.index("👩"))
        value = place("/p/b", "/p/b", "hypertextlabels", ["L"], globalOffsets={"start": utf16, "end": utf16 + 4}, text="Kyiv")
        items.append({"type": "hypertextlabels", "to_name": "text", "value": value})
    untouched = {**task("<i>Lviv</i>", {"result": []}), "id": 8}
    articles, ledger = read(tmp_path, [task(html, {"result": items}), untouched])
    assert [a.text for a in articles] == [shown.replace(".Now", ".\nNow"), "Lviv"]
    assert mentions(articles[0]) == [("Kyiv", "L")] * 3
    assert ledger.entries == []
    assert any("HTML" in remark for remark in ledger.remarks)


def test_paragraphs_are_a_text_of_lines(tmp_path):
    value = place("1", "1", "paragraphlabels", ["L"], startOffset=3, endOffset=7, text="Lviv")
    said = [{"author": "A", "text": "Kyiv fell."}, {"author": "B", "text": "No, Lviv."}]
    result = [{"type": "paragraphlabels", "to_name": "text", "value": value | {"startOffset": 4, "endOffset": 8}}]
    articles, _ = read(tmp_path, [{"id": 1, "data": {"text": "a title", "talk": said}, "annotations": [{"result": result}]}])
    assert [(a.text, mentions(a), a.meta) for a in articles] == [("Kyiv fell.\nNo, Lviv.", [("Lviv", "L")], {"text": "a title"})]


def test_regions_on_another_text_field_are_not_those_of_the_text(tmp_path):
    on_title = region(0, 6, None, "ORG") | {"to_name": "title"}
    data = {"title": "Moscow denies", "text": "Kyiv fell, Moscow said"}
    tasks = [{"id": 1, "data": data, "annotations": [{"result": [on_title, region(0, 4, "Kyiv", "LOC")]}]}]
    articles, ledger = read(tmp_path, tasks)
    assert [(mentions(a), a.meta) for a in articles] == [([("Kyiv", "LOC")], {"title": "Moscow denies"})]
    assert [(note.part, note.detail) for note in ledger.notes] == [("spans", "title (labels)")]
    articles, _ = read(tmp_path, tasks, text_field="title")
    assert [(a.text, mentions(a)) for a in articles] == [("Moscow denies", [("Moscow", "ORG")])]
    only_title = [{"id": 1, "data": data, "annotations": [{"result": [on_title]}]}]
    articles, _ = read(tmp_path, only_title)
    assert mentions(articles[0]) == [("Moscow", "ORG")]
    with pytest.raises(FormatError, match="none of its 1 regions lies on the text that is read; they lie on the tags title"):
        read(tmp_path, only_title, text_field="text")
    seconds = [{"id": 1, "data": data, "annotations": [{"result": [region(0.5, 6.0, None, "ORG")]}]}]
    with pytest.raises(FormatError, match=r"they are of no text, as their start and end are no whole numbers"):
        read(tmp_path, seconds)
    with pytest.raises(FormatError, match="its regions lie on the tags a, b; which of them shows the field 'text'"):
        read(tmp_path, [task("Kyiv", {"result": [region(0, 4, "Kyiv", "L") | {"to_name": n} for n in "ab"]})])


def test_offsets_without_a_surface_are_placed_by_the_unit_of_the_file(tmp_path):
    text = "Kyiv fell.\r\nMoscow denied it.\r\nLviv too."
    values = [place(11, 17, "labels", ["ORG"]), place(29, 33, "labels", ["LOC"])]
    result = [{"type": "labels", "to_name": "text", "value": value} for value in values]
    articles, _ = read(tmp_path, [task(text, {"result": result})])
    assert mentions(articles[0]) == [("Moscow", "ORG"), ("Lviv", "LOC")]


def test_a_filled_annotation_counts_before_an_empty_one(tmp_path):
    filled = {"completed_by": 2, "result": [region(0, 4, "Kyiv", "A")]}
    articles, ledger = read(tmp_path, [task("Kyiv fell", {"completed_by": 1, "result": []}, filled)])
    assert mentions(articles[0]) == [("Kyiv", "A")]
    assert [note.reason for note in ledger.notes] == ["another annotation of the task, which is empty, is passed over"]


def test_the_first_annotation_can_be_kept_knowingly(tmp_path):
    items = [{"completed_by": n, "result": [region(0, 4, "Kyiv", label)]} for n, label in ((1, "A"), (2, "B"))]
    articles, ledger = read(tmp_path, [task("Kyiv fell", *items)], annotations="first")
    assert mentions(articles[0]) == [("Kyiv", "A")]
    assert [(e.label, e.asked) for e in ledger.entries] == [("B", True)]


def test_fields_of_a_task_are_metadata(tmp_path):
    data = {"text": "Kyiv fell", "date": "2024-01-02", "labels": ["x"], "url": None}
    articles, _ = read(tmp_path, [{"id": 1, "data": data, "annotations": [{"result": []}], "meta": {"country": "UA"}}])
    assert articles[0].meta == {"country": "UA", "date": "2024-01-02", "labels": ["x"]}


def minimal(annotator, label, **more):
    regions = [{"start": 0, "end": 4, "text": "Kyiv", "labels": [label]}]
    about = {"annotator": annotator, "annotation_id": annotator, "created_at": "x", "updated_at": "x", "lead_time": 2.1}
    return {"text": "Kyiv fell", "id": 1, "label": regions, "topic": "war", **about, **more}


def test_json_min_of_two_annotators_is_one_task(tmp_path):
    rows = [minimal(1, "A", sure="yes"), minimal(3, "C") | {"id": 2}, minimal(2, "B", sure="no")]
    articles, ledger = read(tmp_path, rows, annotations="first")
    assert [(a.id, mentions(a)) for a in articles] == [("2", [("Kyiv", "C")]), ("1", [("Kyiv", "A")])]
    assert [(e.label, e.asked) for e in ledger.entries] == [("B", True)]
    articles, _ = read(tmp_path, rows, annotations="each")
    assert [(a.id, a.meta.get("sure")) for a in articles] == [("2@3", None), ("1@1", "yes"), ("1@2", "no")]
    assert all(a.meta["topic"] == "war" for a in articles)


def test_annotations_of_a_target_storage_are_read_over_several_lines(tmp_path):
    inner = {"id": 5, "data": {"text": "Kyiv fell", "date": "d"}, "annotations": [9]}
    stored = {"id": 9, "result": [region(0, 4, "Kyiv", "L")], "completed_by": {"id": 1}, "task": inner}
    articles, _ = read(tmp_path, json.dumps(stored, indent=1))
    assert [(a.id, mentions(a), a.meta) for a in articles] == [("5", [("Kyiv", "L")], {"date": "d"})]
    assert recognise(tmp_path / "export.json")[0].name == "label_studio"


@pytest.mark.parametrize("key", ["was_cancelled", "skipped"])
def test_a_skipped_annotation_with_regions_is_named(tmp_path, key):
    ledger = LossLedger()
    path = tmp_path / "export.json"
    skipped = {key: True, "result": [region(0, 4, "Kyiv", "LOC")]}
    path.write_text(json.dumps([{"id": 1, "data": {"text": "Kyiv fell"}, "annotations": [skipped]}]))
    [found] = read_label_studio(path, ledger=ledger)
    assert (found.spans, found.annotated) == ((), ())
    assert list(ledger.remarks) == ["an annotation that was skipped (cancelled) has regions, which are not read"]


def test_data_without_a_text_say_what_they_hold(tmp_path):
    path = tmp_path / "export.json"
    path.write_text(json.dumps([{"id": 1, "data": {"text": 12345}, "annotations": []}]))
    with pytest.raises(FormatError, match=r"no field of its `data` holds a text; there are: text \(int\)"):
        list(read_label_studio(path, ledger=LossLedger()))


def test_metadata_stands_beside_the_text_whose_field_no_metadata_takes(tmp_path):
    article = Article("a", "Kyiv fell", (Span(0, 4, "LOC"),), meta={"desk": "x", "text": "other", "n": [1]})
    write_label_studio([article], tmp_path / "out.json", ledger=LossLedger())
    [task] = json.loads((tmp_path / "out.json").read_text())
    assert task["data"] == {"text": "Kyiv fell", "desk": "x", "n": [1]}
    assert list(read_label_studio(tmp_path / "out.json", ledger=LossLedger())) == [article]


def test_the_interface_has_the_labels_and_the_tags_of_the_tasks(tmp_path):
    pytest.importorskip("starlette")
    from eventtag.serving.label_studio import read_interface

    xml = render_interface(["ACTOR", 'A"&<>'], {"ACTOR": "Person"})
    interface = read_interface(xml, ["ACTOR", 'A"&<>'])
    assert (interface.control, interface.text_tag, interface.field) == ("label", "text", "text")
    assert interface.names == {"ACTOR": "Person", 'A"&<>': 'A"&<>'}
    assert '<Choices name="status" toName="text" perRegion="true">' in render_interface(["A"], status=True)
    assert "Choices" not in xml
    with pytest.raises(SettingsError, match="holds a character that XML cannot"):
        render_interface(["\x00"])
    write_interface(tmp_path / "i.xml", xml)
    write_interface(tmp_path / "i.xml", xml)
    with pytest.raises(OutputError, match="exists already, and the labelling interface would be written there"):
        write_interface(tmp_path / "i.xml", render_interface(["X"]))
    assert (tmp_path / "i.xml").read_text() == xml
    assert interface_path(tmp_path / "a.xml") != tmp_path / "a.xml"


@pytest.mark.parametrize(
    ("label_map", "names"),
    [
        ({"Person": "ACTOR", "Place": "LOC", "Date": None}, {"ACTOR": "Person", "LOC": "Place"}),
        ({"Person": "ACTOR", "Group": "ACTOR", "Place": "LOC"}, {"LOC": "Place"}),
        ({"P*": "ACTOR", "LOC": "LOC"}, {}),
        ({"LOC": "ACTOR", "Place": "PLACE"}, {}),
    ],
)
def test_own_names_are_those_that_stand_for_one_label_alone(label_map, names):
    assert own_names(label_map, ["ACTOR", "LOC"]) == names
