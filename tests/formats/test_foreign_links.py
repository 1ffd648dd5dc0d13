"""Links and status as other tools write them: each is right, or the ledger names it."""

import json

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError
from eventtag.formats.brat_relations import Statements
from eventtag.formats.inline import parse_inline
from eventtag.formats.label_map import map_labels
from eventtag.formats.registry import read_articles, write_articles
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span

TEXT = "Police arrested men"
POLICE, ARREST, MEN = Span(0, 6, "ACTOR"), Span(7, 15, "EVENT"), Span(16, 19, "ACTOR")
MENTIONS = "T1\tACTOR 0 6\tPolice\nT2\tEVENT 7 15\tarrested\nT3\tACTOR 16 19\tmen\n"


def told(article, ledger):
    """(event, role, participant) of each link, and the reasons of everything that was lost."""
    links = (
        None
        if article.links is None
        else [(article.mention(x.event), x.role, article.mention(x.participant)) for x in article.links]
    )
    return links, [entry.reason for entry in (*ledger.links, *ledger.notes)]


def read(path, content, **options):
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    ledger = LossLedger()
    (article,) = read_articles(path, ledger=ledger, options=options)
    return article, ledger


def brat(tmp_path, lines):
    (tmp_path / "a.txt").write_text(TEXT)
    return read(tmp_path / "a.ann", MENTIONS + lines)


AGENT = [("arrested", "AGENT", "Police")]


@pytest.mark.parametrize(
    ("lines", "links", "reasons"),
    [
        ("R1\tAGENT Arg2:T1 Arg1:T2\n", AGENT, []),
        ("R1\tAGENT Arg1:T2 Arg2:T1\t\n", AGENT, []),
        ("R1\tAGENT Arg1:T2\n", None, ["a relation or event that is not as brat writes it is not read"]),
        ("R1\tAGENT Arg1:T2 Arg2:T1 Arg3:T3\n", None, ["a relation or event that is not as brat writes it is not read"]),
        ("E1\tEVENT:T2  AGENT:T1 \n", AGENT, []),
        ("E1\tEVENT:T2 AGENT:T1 AGENT2:T3\n", [*AGENT, ("arrested", "AGENT", "men")], []),
        ("E1\tEVENT:T2 ARG0:T1 ARG1:T3\n", [("arrested", "ARG0", "Police"), ("arrested", "ARG1", "men")], []),
        ("E1\tEVENT:T2 AGENT\n", None, ["a relation or event that is not as brat writes it is not read"]),
        ("E1\tEVENT:T2 AGENT:T1\nE1\tEVENT:T3\n", AGENT, ["an id occurs twice"]),
        ("R1\tAGENT Arg1:T2 Arg2:T9\n", [], ["they point to what is not read as a span"]),
        ("T2\tACTOR 0 6\tPolice\nR1\tAGENT Arg1:T2 Arg2:T1\n", AGENT, ["an id occurs twice: links and status are its first span's"]),
        ("A1\tStatus T2 denied\n", None, ["a status is none of asserted, negated, future, possible, and not read"]),
        ("A1\tStatus T9 negated\n", None, ["a status of what is not a span is not read"]),
        ("A1\tStatus T2 negated\nA2\tSpeculation T2\n", None, ["a span has several statuses, of which one counts"]),
    ],
)  # fmt: skip
def test_brats_lines(tmp_path, lines, links, reasons):
    assert told(*brat(tmp_path, lines)) == (links, reasons)


def test_a_discontinuous_mention_of_brat_is_an_end(tmp_path):
    (tmp_path / "a.txt").write_text("Police put it off")
    article, ledger = read(
        tmp_path / "a.ann", "R1\tAGENT Arg1:T2 Arg2:T1\nT1\tACTOR 0 6\tPolice\nT2\tEVENT 7 10;14 17\tput off\n"
    )
    assert told(article, ledger) == ([("put it off", "AGENT", "Police")], [])


@pytest.mark.parametrize(
    "line", ["R1\tA " + ":" * 400_000, "E1\tA:T1 " + "1" * 400_000 + "a:T2", "E1\tA:T1 " + "a:1 " * 100_000 + "b"]
)
def test_a_long_line_of_brat_is_read_at_once(line):
    assert not Statements([line]).relations(line) or line.endswith("a:T2")


def test_many_roles_of_one_span_are_read_at_once():
    roles = ",".join(map(str, range(60_000)))
    with pytest.raises(FormatError, match="no span has the name #0"):
        parse_inline(f"---\nid: a\nlinks: marked\n---\n[fell|E AGENT={roles}]")


def region(name, start, end, label):
    return {"id": name, "from_name": "label", "to_name": "text", "type": "labels",
            "value": {"start": start, "end": end, "text": TEXT[start:end], "labels": [label]}}  # fmt: skip


def relation(**more):
    return {"from_id": "e", "to_id": "p", "type": "relation"} | more


def choice(name="negated", **more):
    return {"id": "e", "from_name": "status", "to_name": "text", "type": "choices", "value": {"choices": [name]}} | more


@pytest.mark.parametrize(
    ("results", "links", "status", "reasons"),
    [
        ([relation(direction="right", labels=[])], [("arrested", "relation", "Police")], None, []),
        ([relation(from_id="p", to_id="e", direction="left", labels=["AGENT"])], AGENT, None, []),
        ([relation(direction="bi", labels=["AGENT"])], AGENT, None, ["a relation has two heads: its link is from its first region"]),
        ([relation(labels=["AGENT", "HEAD"])], [*AGENT, ("arrested", "HEAD", "Police")], None, []),
        ([relation(labels=["AGENT"]), relation(labels=["AGENT"])], AGENT, None, ["are marked twice"]),
        ([relation(to_id="elsewhere", labels=["AGENT"])], [], None, ["they point to what is not read as a span"]),
        ([relation(to_id=None)], None, None, ["relations, choices and other answers are not kept"]),
        ([choice()], None, "negated", []),
        ([choice(id="task")], None, None, ["relations, choices and other answers are not kept"]),
        ([choice("denied")], None, None, ["relations, choices and other answers are not kept"]),
        ([choice(), choice("future")], None, "negated", ["a region has two statuses, of which the first counts"]),
        ([choice(id=None, value={"start": 7, "end": 15, "choices": ["future"]})], None, "future", []),
        ([choice(id=["odd"])], None, None, ["relations, choices and other answers are not kept"]),
    ],
)  # fmt: skip
def test_label_studios_relations_and_choices(tmp_path, results, links, status, reasons):
    found = [*results, region("p", 0, 6, "ACTOR"), region("e", 7, 15, "EVENT")]
    article, ledger = read(tmp_path / "a.json", [{"id": 1, "data": {"text": TEXT}, "annotations": [{"result": found}]}])
    assert (*told(article, ledger), article.spans[1].status) == (links, reasons, status)


def test_relations_of_another_annotator_are_named(tmp_path):
    first = [region("p", 0, 6, "ACTOR"), region("e", 7, 15, "EVENT")]
    second = [
        region("q", 0, 6, "ACTOR"),
        region("f", 7, 15, "EVENT"),
        relation(from_id="f", to_id="q"),
        relation(from_id="e", to_id="q"),
    ]
    task = {"id": 1, "data": {"text": TEXT}, "annotations": [{"result": first}, {"result": second}]}
    article, ledger = read(tmp_path / "a.json", [task], annotations="first")
    assert told(article, ledger) == (None, ["they point to what is not read as a span", "is another annotator's"])


def test_a_region_with_two_labels_gives_its_links_to_the_first(tmp_path):
    both = region("p", 0, 6, "ACTOR")
    both["value"]["labels"].append("ORG")
    results = [both, region("e", 7, 15, "EVENT"), relation(labels=["AGENT"])]
    article, ledger = read(tmp_path / "a.json", [{"id": 1, "data": {"text": TEXT}, "annotations": [{"result": results}]}])
    assert told(article, ledger) == (AGENT, ["a region has several labels: its links are those of the first"])
    assert article.links[0].participant == POLICE


@pytest.mark.parametrize(
    ("changes", "links", "reasons"),
    [
        ({"id": "x", "from_id": "t2", "to_id": "t1", "type": "AGENT"}, AGENT, []),
        ({"from_id": "t2", "to_id": "t1", "type": 7}, [("arrested", "7", "Police")], []),
        ({"from_id": "t2", "type": "AGENT"}, [], ["they point to what is not read as a span"]),
        ({"from_id": ["t2"], "to_id": "t1", "type": None}, [], ["they point to what is not read as a span"]),
    ],
)
def test_doccanos_relations(tmp_path, changes, links, reasons):
    entities = [
        {"id": "t1", "label": "ACTOR", "start_offset": 0, "end_offset": 6},
        {"id": "t2", "label": "EVENT", "start_offset": 7, "end_offset": 15},
    ]
    found = told(*read(tmp_path / "a.jsonl", {"id": 1, "text": TEXT, "relations": [changes], "entities": entities}))
    assert found == (links, reasons)
    twice = [*entities, entities[0] | {"start_offset": 16, "end_offset": 19}]
    found = told(*read(tmp_path / "b.jsonl", {"id": 1, "text": TEXT, "relations": [changes], "entities": twice}))
    assert found == (links, [*reasons, "an id occurs twice: relations are its first span's"])


TOKENS = [{"text": TEXT[s:e], "start": s, "end": e, "id": n} for n, (s, e) in enumerate([(0, 6), (7, 15), (16, 19)])]


@pytest.mark.parametrize(
    ("relation", "links", "reasons"),
    [
        ({"head": 1, "child": 0, "label": "AGENT"}, AGENT, []),
        ({"head": 1, "child": 2, "label": "AGENT"}, [], ["they point to what is not read as a span"]),
        ({"head": 1, "child": 99}, [], ["they point to what is not read as a span"]),
        ({"head": 1, "child": None, "head_span": None}, [], ["they point to what is not read as a span"]),
        ({"head_span": {"start": 7, "end": 15}, "child_span": {"start": 0, "end": 6, "label": "ACTOR"}, "label": "AGENT"}, AGENT, []),
        ({"head_span": {"start": [7], "end": 15}, "child": 0}, [], ["they point to what is not read as a span"]),
    ],
)  # fmt: skip
def test_prodigys_relations(tmp_path, relation, links, reasons):
    spans = [{"start": 0, "end": 6, "label": "ACTOR"}, {"start": 7, "end": 15, "label": "EVENT"}]
    row = {"text": TEXT, "tokens": TOKENS, "relations": [relation], "spans": spans, "answer": "accept"}
    assert told(*read(tmp_path / "a.jsonl", row)) == (links, reasons)


def test_prodigys_relations_to_a_token_at_which_two_spans_end_are_named(tmp_path):
    spans = [
        {"start": 0, "end": 6, "label": "ACTOR"},
        {"start": 7, "end": 15, "label": "EVENT"},
        {"start": 0, "end": 6, "label": "ORG"},
    ]
    row = {"text": TEXT, "tokens": TOKENS, "relations": [{"head": 1, "child": 0}], "spans": spans, "answer": "accept"}
    assert told(*read(tmp_path / "a.jsonl", row)) == ([], ["they point to what is not read as a span"])


ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
HEADER = f"#FORMAT=WebAnno TSV 3.3\n#T_SP={ENTITY}|identifier|value\n"


def test_webannos_relation_layers_escapes_and_words(tmp_path):
    article, ledger = read(
        tmp_path / "a.tsv",
        HEADER + f"#T_RL=x.One|role|BT_{ENTITY}\n#T_RL=x.Two|label|BT_{ENTITY}\n#T_RL=x.Words|role|BT_x.Token\n\n#Text={TEXT}\n"
        "1-1\t0-6\tPolice\t*\tACTOR\tA\\_\\*\\|B\t1-2\t*\t1-2\tof\t1-2\n"
        "1-2\t7-15\tarrested\t*\tEVENT\t_\t_\t_\t_\t_\t_\n"
        "1-3\t16-19\tmen\t_\t_\tAGENT\t1-2\t_\t_\t_\t_\n",
    )
    assert told(article, ledger) == (
        [("arrested", "A_*|B", "Police"), ("arrested", "Two", "Police")], ["they point to what is not read as a span"],
    )  # fmt: skip
    assert any("not read are the layers x.Words" in remark for remark in ledger.remarks)


def test_webannos_slots_that_another_layer_fills_are_named(tmp_path):
    slot = "ROLE_x.Ev:args_x.Link|x.Person"
    article, ledger = read(
        tmp_path / "a.tsv",
        f"#FORMAT=WebAnno TSV 3.3\n#T_SP=x.Ev|kind|{slot}\n\n#Text={TEXT}\n"
        "1-1\t0-6\tPolice\tACTOR[1]\t_\t_\n1-2\t7-15\tarrested\tEVENT[2]\tAGENT;PLACE[2]\t1-1[1]\n",
    )
    assert told(article, ledger) == ([], ["they point to what is not read as a span"] * 2)


def cat(tmp_path, relations, status=""):
    tokens = "".join(f'<token t_id="{n}" sentence="0" number="{n}">{word}</token>' for n, word in enumerate(TEXT.split()))
    markables = "".join(
        f'<{name} m_id="{n}" {status if n == 1 else ""}><token_anchor t_id="{n}"/></{name}>'
        for n, name in enumerate(["ENTITY_MENTION", "EVENT_MENTION", "ENTITY_MENTION"])
    )
    return read(
        tmp_path / "a.xml", f"<Document>{tokens}<Markables>{markables}</Markables><Relations>{relations}</Relations></Document>"
    )


def participants(role, sources, targets):
    ends = "".join(f'<{name} m_id="{one}"/>' for name, found in (("source", sources), ("target", targets)) for one in found)
    return f'<HAS_PARTICIPANT r_id="1" sem_role="{role}">{ends}</HAS_PARTICIPANT>'


MISSING = ["they point to what is not read as a span"]


@pytest.mark.parametrize(
    ("relations", "links", "reasons"),
    [
        (participants("A0", "1", "0"), AGENT, []),
        (participants("ARG0", "1", "02"), [*AGENT, ("arrested", "AGENT", "men")], []),
        (participants("AM-LOC", "1", "0"), [("arrested", "PLACE", "Police")], []),
        (participants("ArgM-MNR", "1", "0"), [("arrested", "ArgM-MNR", "Police")], []),
        (participants("Arg0", "1", ""), [], MISSING),
        (participants("Arg0", "1", "9"), [], MISSING),
    ],
)
def test_cats_participants(tmp_path, relations, links, reasons):
    assert told(*cat(tmp_path, relations)) == (links, reasons)


def test_cats_other_relations_are_named(tmp_path):
    _, ledger = cat(tmp_path, "<TLINK/><CLINK/>" + participants("Arg0", "1", "0"))
    assert "relations that are not read: CLINK, TLINK" in ledger.remarks


def test_a_relation_of_cat_between_thousands_is_an_error(tmp_path):
    with pytest.raises(FormatError, match="a HAS_PARTICIPANT with 200 sources and 300 targets"):
        cat(tmp_path, participants("Arg0", "1" * 200, "0" * 300))


@pytest.mark.parametrize(("case", "status"), [("COND_IF_CLAUSE", "possible"), ("GEN", "asserted"), ("NONE", "asserted")])
def test_cats_special_cases(tmp_path, case, status):
    article, _ = cat(tmp_path, "", f'certainty="CERTAIN" polarity="POS" time="NON_FUTURE" special_cases="{case}"')
    assert article.spans[1].status == status


def test_an_unknown_status_of_a_table_is_named_and_a_score_of_a_status_comes_back(tmp_path):
    article, ledger = read(
        tmp_path / "a.csv", 'text,spans\nKyiv fell,"[{""start"":5,""end"":9,""label"":""E"",""status"":""Denied""}]"\n'
    )
    assert (article.spans[0].status, told(article, ledger)[1]) == (
        None, ["a status is none of asserted, negated, future, possible, and not read"],
    )  # fmt: skip
    event = Span(5, 9, "EVENT", 0.5, "future", 0.75)
    write_articles([Article("a", "Kyiv fell", (event,))], tmp_path / "o.csv")
    (back,) = read_articles(tmp_path / "o.csv", ledger=LossLedger())
    assert back.spans[0].status_score == 0.75


def test_roles_are_renamed_and_dropped_by_the_label_map():
    links = tuple(
        Link(ARREST, one, role) for one, role in ((POLICE, "Attacker"), (POLICE, "Perp"), (MEN, "Argm-TMP"), (MEN, "Victim"))
    )
    article, ledger = Article("a", TEXT, (POLICE, ARREST, MEN), links=links), LossLedger()
    label_map = {"role:Attacker": "AGENT", "role:Perp": "AGENT", "role:Arg*": None}
    (found,) = map_labels([article], label_map, ledger=ledger)
    assert found.links == (Link(ARREST, POLICE, "AGENT"), Link(ARREST, MEN, "Victim"))
    assert [(x.role, x.outcome, x.asked) for x in ledger.links] == [("Perp", "merged", False), ("Argm-TMP", "dropped", True)]
    assert {span.label for span in found.spans} == {"ACTOR", "EVENT"}
    (found,) = map_labels([article], {"*": "THING"}, ledger=ledger)
    assert {link.role for link in found.links} == {"Attacker", "Perp", "Argm-TMP", "Victim"}


@pytest.mark.parametrize("kind", ["xmi", "cas_json"])
def test_relations_of_a_cas_without_an_end_between_other_layers_and_chains_are_named(tmp_path, kind):
    cassis = pytest.importorskip("cassis")
    system = cassis.TypeSystem()
    event = system.create_type("x.Ev", supertypeName="uima.tcas.Annotation")
    system.create_feature(event, "kind", "uima.cas.String")
    note = system.create_type("x.Note", supertypeName="uima.tcas.Annotation")
    made = {}
    for name in ("x.Rel", "x.NoteRel"):
        made[name] = system.create_type(name, supertypeName="uima.tcas.Annotation")
        for end in ("Governor", "Dependent"):
            system.create_feature(made[name], end, "uima.tcas.Annotation")
        system.create_feature(made[name], "role", "uima.cas.String")
    chain = system.create_type("x.Chain", supertypeName="uima.tcas.Annotation")
    system.create_feature(chain, "next", "x.Chain")
    cas = cassis.Cas(typesystem=system)
    cas.sofa_string = TEXT
    police, arrest, comment = event(begin=0, end=6, kind="ACTOR"), event(begin=7, end=15, kind="EVENT"), note(begin=16, end=19)
    later = made["x.Rel"](begin=0, end=6, Governor=arrest, Dependent=police, role="AGENT")
    half = made["x.Rel"](begin=0, end=6, Dependent=police, role="TARGET")
    beside = made["x.NoteRel"](begin=16, end=19, Governor=comment, Dependent=comment)
    cas.add_all([later, half, beside, chain(begin=0, end=6), police, arrest, comment])
    getattr(cas, "to_xmi" if kind == "xmi" else "to_json")(tmp_path / ("a.xmi" if kind == "xmi" else "a.json"))
    system.to_xml(tmp_path / "TypeSystem.xml")
    ledger = LossLedger()
    (article,) = read_articles(tmp_path, kind, ledger=ledger, options={"layer": "x.Ev"})
    assert told(article, ledger) == (AGENT, ["they point to what is not read as a span"])
    assert any("not read are the layers x.Note, x.Chain, x.NoteRel" in remark for remark in ledger.remarks)


def test_extension_attributes_of_spacy_are_named(tmp_path):
    spacy = pytest.importorskip("spacy.tokens")
    vocab = pytest.importorskip("spacy.vocab").Vocab()
    doc = spacy.Doc(vocab, words=TEXT.split(), user_data={("._.", "rel", None, None): {"0": "AGENT"}, "own": 1})
    doc.set_ents([spacy.Span(doc, 0, 1, label="ACTOR")])
    spacy.DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    ledger = LossLedger()
    assert len(list(read_articles(tmp_path / "a.spacy", ledger=ledger))) == 1
    assert "extension attributes (doc._.NAME) that are not read: rel" in ledger.remarks
