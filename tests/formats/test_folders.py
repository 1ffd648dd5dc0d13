"""Folders and zip archives: ids of files of equal names, empty files, hostile archives."""

import io
import json
import os
import zipfile

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError
from eventtag.formats.registry import FORMATS, read_articles, recognise, write_articles
from eventtag.ledger import LossLedger
from eventtag.span import Span

TSV = (
    "#FORMAT=WebAnno TSV 3.3\n#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value\n\n\n"
    "#Text={0} fell\n1-1\t0-4\t{0}\t*\tLOC\t\n1-2\t5-9\tfell\t_\t_\t\n"
)


def tree(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def read(path, name="auto", **options):
    ledger = LossLedger()
    return list(read_articles(path, name, ledger=ledger, options=options)), ledger


def found(path, name="auto", **options):
    return {a.id: [(a.mention(s), s.label) for s in a.spans] for a in read(path, name, **options)[0]}


def test_brat_files_of_equal_names_in_subfolders_have_their_paths_as_ids(tmp_path):
    files = {}
    for part, word in (("train", "Kyiv"), ("test/de", "Lviv")):
        files |= {f"{part}/doc1.txt": f"{word} fell", f"{part}/doc1.ann": f"T1\tLOC 0 4\t{word}\n"}
    assert found(tree(tmp_path / "in", files)) == {"test/de/doc1": [("Lviv", "LOC")], "train/doc1": [("Kyiv", "LOC")]}


@pytest.mark.parametrize(
    "name", [n for n, entry in FORMATS.items() if entry.folder and entry.write and n not in ("hf_dataset", "cat")]
)
def test_subfolders_come_back(tmp_path, name):
    pytest.importorskip({"cas": "cassis"}.get(FORMATS[name].extra, "eventtag"))
    articles = [Article("test/a", "Kyiv fell", (Span(0, 4, "LOC"),)), Article("train/a", "Lviv held")]
    write_articles(articles, tmp_path / "out", name, ledger=LossLedger())
    assert [(a.id, a.text, a.spans) for a in read(tmp_path / "out")[0]] == [(a.id, a.text, a.spans) for a in articles]


@pytest.mark.parametrize("bad", ["../a", "/a", "a/../b", "a//b", "a/.b", "a/", "a\\b", "."])
def test_an_id_never_leaves_the_folder(tmp_path, bad):
    with pytest.raises(OutputError, match="cannot be a file name"):
        write_articles([Article(bad, "x")], tmp_path / "out" / "o", "brat", ledger=LossLedger())
    assert not list(tmp_path.rglob("*.txt"))


def test_a_file_in_the_place_of_a_subfolder_is_an_error(tmp_path):
    for ids in (("a", "a.txt/b"), ("a.txt/b", "a")):
        with pytest.raises(OutputError, match="another article's file or folder has the name"):
            write_articles([Article(i, "x") for i in ids], tmp_path / "o", "brat", ledger=LossLedger())


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("conll", "{}\tB-LOC\nfell\tO\n"),
        ("conllu", "# newdoc id = x\n1\t{}" + "\t_" * 7 + "\tEntity=(e1-LOC)\n"),
        ("jsonl", '{{"id": 1, "text": "{} fell", "label": [[0, 4, "LOC"]]}}\n'),
    ],
)
def test_ids_that_several_files_share_are_made_of_their_paths(tmp_path, suffix, content):
    root = tree(tmp_path / "in", {f"train/a.{suffix}": content.format("Kyiv"), f"test/a.{suffix}": content.format("Lviv")})
    articles, ledger = read(root)
    assert [(a.id.split("/")[0], a.mention(a.spans[0])) for a in articles] == [("test", "Lviv"), ("train", "Kyiv")]
    assert len({a.id for a in articles}) == 2
    assert any("share article ids" in remark for remark in ledger.remarks)


def test_ids_that_no_files_share_stay(tmp_path):
    root = tree(tmp_path, {f"{n}.jsonl": json.dumps({"id": n, "text": "x"}) for n in "ab"})
    assert list(found(root)) == ["a", "b"]


def test_cat_files_keep_their_names_unless_two_are_equal(tmp_path):
    cat = '<Document><token t_id="1" sentence="0" number="0">Kyiv</token><Markables/></Document>'
    root = tree(tmp_path, {"1/1_1ecb.xml": cat, "2/2_1ecb.xml": cat})
    assert list(found(root)) == ["1_1ecb", "2_1ecb"]
    tree(root, {"3/2_1ecb.xml": cat})
    assert list(found(root)) == ["1/1_1ecb", "2/2_1ecb", "3/2_1ecb"]


@pytest.mark.parametrize(
    "files",
    [
        {"a.txt": "Quiet.", "a.ann": "", "b.txt": "Kyiv fell", "b.ann": "T1\tLOC 0 4\tKyiv\n"},
        {"a.conll": "", "b.conll": "Kyiv\tB-LOC\n"},
        {"a.conll": "\n\n", "b.conll": "Kyiv\tB-LOC\n"},
        {"a.jsonl": "", "b.jsonl": '{"id": "b", "text": "Kyiv", "spans": [{"start": 0, "end": 4, "label": "LOC"}]}\n'},
    ],
    ids=["brat", "conll", "blank lines", "jsonl"],
)
def test_an_empty_first_file_does_not_hide_the_format(tmp_path, files):
    spans = found(tree(tmp_path, files))
    assert [value for value in spans.values() if value] == [[("Kyiv", "LOC")]]


def test_a_readme_beside_the_articles_is_left_out_and_named(tmp_path):
    articles, ledger = read(tree(tmp_path, {"a.conll": "Kyiv\tB-LOC\n", "b.conll": "x\tO\n", "README.txt": "Made by us.\n"}))
    assert [a.text for a in articles] == ["Kyiv", "x"]
    assert "left out as no articles: README.txt" in ledger.remarks


def test_brat_files_that_are_all_empty_are_recognised_by_their_suffix(tmp_path):
    assert found(tree(tmp_path, {"a.txt": "Quiet.", "a.ann": ""})) == {"a": []}


def test_a_brat_text_that_nobody_annotated_is_named(tmp_path):
    _, ledger = read(tree(tmp_path, {"a.txt": "Kyiv", "a.ann": "T1\tLOC 0 4\tKyiv\n", "b.txt": "x"}))
    assert [remark for remark in ledger.remarks if "without an .ann file" in remark]


EXPORT = {
    "exportedproject.json": "{}",
    "source/d1.txt": "Kyiv fell",
    "annotation_ser/d1.txt/anna.ser": b"\xac\xed",
    "annotation/d1.txt/INITIAL_CAS.tsv": TSV.format("Kyiv").replace("LOC", "_").replace("*", "_"),
    "annotation/d1.txt/anna.tsv": TSV.format("Kyiv"),
    "annotation/d2.txt/anna.tsv": TSV.format("Lviv"),
    "annotation/d2.txt/ben.tsv": TSV.format("Lviv").replace("LOC", "GPE"),
    "__MACOSX/annotation/d1.txt/._anna.tsv": b"\x00\x05",
}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_an_inception_export_is_read_as_it_is(tmp_path, packed):
    path = zipped(tmp_path / "export.zip", EXPORT) if packed else tree(tmp_path / "export", EXPORT)
    assert found(path) == {
        "annotation/d1.txt/anna": [("Kyiv", "LOC")],
        "annotation/d2.txt/anna": [("Lviv", "LOC")],
        "annotation/d2.txt/ben": [("Lviv", "GPE")],
    }
    _, ledger = read(path)
    assert [r for r in ledger.remarks if "1 documents have files of several annotators" in r]
    assert [r for r in ledger.remarks if "INITIAL_CAS are left out" in r]
    assert list(found(path, "webanno_tsv", annotator="ben")) == ["annotation/d2.txt/ben"]
    with pytest.raises(FormatError, match="no file of the annotator 'eve'; there are: anna, ben"):
        read(path, "webanno_tsv", annotator="eve")


def test_xmi_documents_packed_inside_the_export_are_read(tmp_path):
    pytest.importorskip("cassis")
    write_articles([Article("anna", "Kyiv fell", (Span(0, 4, "LOC"),))], tmp_path / "x", "xmi", ledger=LossLedger())
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for file in (tmp_path / "x").iterdir():
            archive.write(file, file.name)
    path = zipped(tmp_path / "export.zip", {f"annotation/{d}.txt/anna.zip": inner.getvalue() for d in ("d1", "d2")})
    assert found(path) == {f"annotation/{d}.txt/anna/anna": [("Kyiv", "LOC")] for d in ("d1", "d2")}


def test_an_error_in_an_archive_names_the_archive(tmp_path):
    path = zipped(tmp_path / "e.zip", {"annotation/d/a.tsv": TSV.format("Kyiv").replace("\tKyiv\t", "\tLviv\t")})
    with pytest.raises(FormatError, match=r"e\.zip/annotation/d/a\.tsv:6: the word 'Lviv'"):
        read(path)


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info, target


@pytest.mark.parametrize("name", ["../a.tsv", "/tmp/a.tsv", "x/../../a.tsv", "C:/a.tsv", "..\\a.tsv"])
def test_a_part_that_points_outside_is_refused(tmp_path, name):
    path = tmp_path / "e.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = name  # as another tool would store it
        archive.writestr(info, TSV.format("Kyiv"))
    with pytest.raises(FormatError, match="points outside the archive's folder"):
        read(path)
    assert [file.name for file in tmp_path.rglob("*")] == ["e.zip"]


def test_links_and_bombs_are_refused_and_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    path = tmp_path / "e.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(*link("a.tsv", "/etc/passwd"))
    with pytest.raises(FormatError, match="is a link"):
        read(path)
    zipped(path, {"a.tsv": bytes(1 << 25)})
    with pytest.raises(FormatError, match="unpacks to more than 200 times its size"):
        read(path)
    monkeypatch.setattr("eventtag.formats.archives.MAX_SIZE", 1000)
    zipped(path, {"a.tsv": bytes(600), "b.tsv": bytes(600)})
    with pytest.raises(FormatError, match="beyond the 1,000 bytes"):
        read(path)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.tsv", bytes(990))
    zipped(path, {"b.zip": inner.getvalue()})
    with pytest.raises(FormatError, match=r"b\.zip.*beyond the 1,000 bytes"):
        read(path)
    monkeypatch.setattr("eventtag.formats.archives.MAX_MEMBERS", 1)
    with pytest.raises(FormatError, match="beyond the 1 parts"):
        read(zipped(path, {"a": "", "b": ""}))
    assert list((tmp_path / "t").iterdir()) == []


@pytest.mark.parametrize("data", [b"no archive", b"PK\x03\x04" + bytes(40), b""])
def test_a_file_that_is_no_archive_is_an_error(tmp_path, data):
    (tmp_path / "e.zip").write_bytes(data)
    with pytest.raises(FormatError, match="cannot be unpacked as a zip archive"):
        read(tmp_path / "e.zip")


def test_a_damaged_archive_is_an_error(tmp_path):
    path = zipped(tmp_path / "e.zip", {"a.tsv": TSV.format("Kyiv") * 50})
    data = bytearray(path.read_bytes())
    data[60:70] = bytes(10)
    path.write_bytes(data)
    with pytest.raises(FormatError, match="cannot be unpacked as a zip archive"):
        recognise(path)


@pytest.mark.parametrize("name", ["jsonl", "conll", "brat", "webanno_tsv", "cat"])
def test_files_of_other_kinds_beside_the_read_ones_are_counted(tmp_path, name):
    """A folder of two formats would lose the articles of one of them without a word."""
    entry = FORMATS[name]
    write_articles(
        [Article("a", "Kyiv", (Span(0, 4, "LOCATION"),))], tmp_path / ("in" if entry.folder else f"in{entry.suffixes[0]}"), name
    )
    (tmp_path / "more").mkdir()
    for other in ("b.docx", "more/c.DOCX", "d.spacy", "notes", "README.md", "LICENSE", "annotation.conf", ".hidden.docx"):
        (tmp_path / other).write_text("x")
    found, ledger = read(tmp_path)
    assert [article.text for article in found] == ["Kyiv"]
    (remark,) = [remark for remark in ledger.remarks if "other kinds" in remark]
    assert "are not read: 2 .docx, 1 .spacy, 1 without a suffix; what is read ends in " in remark


def test_what_is_neither_a_file_nor_a_folder_is_named_as_not_read(tmp_path):
    folder = tree(tmp_path / "brat", {"one.txt": "Kyiv fell", "one.ann": "T1\tLOC 0 4\tKyiv\n"})
    elsewhere = tree(tmp_path / "elsewhere", {"two.txt": "Lviv fell", "two.ann": "T1\tLOC 0 4\tLviv\n"})
    (folder / "train").symlink_to(elsewhere)
    (folder / "three.txt").symlink_to(tmp_path / "gone.txt")
    (folder / "three.ann").symlink_to("three.ann")
    os.mkfifo(folder / "four.txt")
    (folder / ".hidden.txt").symlink_to(tmp_path / "gone.txt")
    articles, ledger = read(folder)
    assert [article.id for article in articles] == ["one"]
    assert "links to folders are not read: train" in ledger.remarks
    assert "links to nothing and special files are not read: four.txt, three.ann, three.txt" in ledger.remarks


def test_many_unread_entries_are_counted(tmp_path):
    tree(tmp_path, {"one.jsonl": '{"id": "1", "text": "Kyiv fell", "spans": []}\n'})
    for number in range(8):
        (tmp_path / f"{number}.jsonl").symlink_to(tmp_path / "gone")
    assert [r for r in read(tmp_path)[1].remarks if "nothing" in r] == [
        "links to nothing and special files are not read: 0.jsonl, 1.jsonl, 2.jsonl, 3.jsonl, 4.jsonl and 3 more"
    ]
