"""scripts/measure_baselines.py reads records of sentences with inline markup as articles with links."""

from measure_baselines import article_of, category_lines, event_text, of_split, read_markup

from eventtag.link import Link
from eventtag.span import Span

RECORD = {
    "id": "r1",
    "event": "AGREE",
    "eventText": "agreed help",
    "text": "The Union (of A and B) and Lima agreed to help (it) in Cusco.",
    "textInfo": {
        "markup": "The (SRC: Union (of A and B)) and (SRC/TAR: Lima) (EVT: agreed) to (EVT: help) (it) (LOC: in (TAR: Cusco))."
    },
}


def test_markup_is_taken_out_and_ordinary_parentheses_stay():
    text, pieces = read_markup(RECORD["textInfo"]["markup"])
    assert text == RECORD["text"]
    assert [(tag, text[start:end]) for tag, start, end in pieces] == [
        ("SRC", "Union (of A and B)"), ("SRC/TAR", "Lima"), ("EVT", "agreed"), ("EVT", "help"), ("LOC", "in Cusco"), ("TAR", "Cusco"),
    ]  # fmt: skip
    assert read_markup("a) b (c")[0] == "a) b (c"


def test_the_first_piece_of_the_event_is_linked_with_everybody():
    article = article_of(RECORD)
    event, lima = Span(32, 38, "EVENT"), Span(27, 31, "ACTOR")
    assert {link for link in article.links if link.participant == lima} == {
        Link(event, lima, "AGENT"),
        Link(event, lima, "TARGET"),
    }
    assert [(article.mention(link.participant), link.role) for link in article.links if link.role != "AGENT"] == [
        ("Lima", "TARGET"), ("in Cusco", "PLACE"), ("Cusco", "TARGET"),
    ]  # fmt: skip
    assert article_of({**RECORD, "text": "Another text."}) is None


def test_categories_are_counted_and_each_record_is_in_one_part(tmp_path):
    (tmp_path / "codes.yaml").write_text("agree: AGREE\nhelp: AID\n")
    records = [{**RECORD, "id": f"r{number}"} for number in range(8)] + [{**RECORD, "event": "AID"}]
    assert event_text(RECORD) == "agreed"
    *shown, total = category_lines(records, tmp_path / "codes.yaml", show=True)
    assert shown == ["AID: 'agreed' is AGREE"]
    assert total == "9 events: 8 right, 1 wrong, 0 without a category"
    parts = [list(of_split(records, split)) for split in ("development", "test")]
    assert sum(map(len, parts)) == len(records)
    assert all(parts)
