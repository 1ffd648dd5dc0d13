import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.text.sentences import find_sentences
from eventtag.text.words import find_words


def mentions(text: str, offsets) -> list[str]:
    return [text[start:end] for start, end in offsets]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Iran-backed militia", ["Iran", "-", "backed", "militia"]),
        ("Łódź’s", ["Łódź", "’", "s"]),
        ("al-Bāb, 3.5%", ["al", "-", "Bāb", ",", "3", ".", "5", "%"]),
        ("cafe\u0301 ok", ["cafe\u0301", "ok"]),
        ("北京 said", ["北", "京", "said"]),
        ("می\u200cخواهد", ["می\u200cخواهد"]),
        ("a\u200b \x07 b", ["a", "b"]),
        ("จับกุม", ["จั", "บ", "กุ", "ม"]),
        ("بغداد، قُتل", ["بغداد", "،", "قُتل"]),
        ("בתל אביב", ["בתל", "אביב"]),
    ],
)
def test_words_are_runs_of_letters_or_single_characters(text, words):
    assert mentions(text, find_words(text)) == words


@given(st.text(max_size=200))
def test_words_are_ordered_disjoint_and_leave_only_white_space_and_controls(text):
    words = find_words(text)
    covered = set()
    last = 0
    for start, end in words:
        assert last <= start < end <= len(text)
        last = end
        covered |= set(range(start, end))
    assert not any(text[at].isalnum() for at in range(len(text)) if at not in covered)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("He left. She stayed.", ["He left.", "She stayed."]),
        ("Mr. Chen met Gen. Musa at 5 p.m. near St. Mary.", ["Mr. Chen met Gen. Musa at 5 p.m. near St. Mary."]),
        ("“Stop!” He ran.", ["“Stop!”", "He ran."]),
        ("HEADLINE\n\nPARIS (AFP) - Text.", ["HEADLINE", "PARIS (AFP) - Text."]),
        ("a line that was\nwrapped by mail", ["a line that was\nwrapped by mail"]),
        ("", []),
        (" \n ", []),
        (
            "警方在北京逮捕了三人。他们否认！？“不知道。”他说（昨天。）",
            ["警方在北京逮捕了三人。", "他们否认！？", "“不知道。”", "他说（昨天。）"],
        ),
        ("東京で逮捕した。「否認。」3人", ["東京で逮捕した。", "「否認。」", "3人"]),
        ("هل قتل أحد؟ نعم، قتل ثلاثة. وصلت", ["هل قتل أحد؟", "نعم، قتل ثلاثة.", "وصلت"]),
        ("המשטרה עצרה שלושה. הם הכחישו.", ["המשטרה עצרה שלושה.", "הם הכחישו."]),
        ("गिरफ्तार किया। उन्होंने", ["गिरफ्तार किया।", "उन्होंने"]),
        ("ตำรวจจับกุม เขาปฏิเสธ\nข่าว", ["ตำรวจจับกุม เขาปฏิเสธ", "ข่าว"]),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, sentences):
    assert mentions(text, find_sentences(text)) == sentences


@given(st.text(alphabet="ab. \n!?”“A1é。！』中؟", max_size=120))
def test_sentences_hold_every_visible_character_once(text):
    sentences = find_sentences(text)
    assert "".join("".join(text[s:e].split()) for s, e in sentences) == "".join(text.split())
    assert all(text[s:e] == text[s:e].strip() for s, e in sentences)
