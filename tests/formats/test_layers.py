"""Which layer and feature hold the mentions: the same choice for WebAnno TSV, XMI and CAS JSON, made for a whole folder."""

import pytest

from eventtag.errors import FormatError
from eventtag.formats.conllu import sniff_conllu
from eventtag.formats.registry import read_articles, recognise
from eventtag.ledger import LossLedger

NE = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
POS = "de.tudarmstadt.ukp.dkpro.core.api.lexmorph.type.pos.POS"
EVENT = "webanno.custom.Event"


def read(path, name="auto", **options):
    ledger = LossLedger()
    return [
        [(a.mention(s), s.label) for s in a.spans] for a in read_articles(path, name, ledger=ledger, options=options)
    ], " ".join(ledger.remarks)


def tsv(folder, name, header, *cells):
    """A document `Kyiv fell` with these cells for its two words."""
    rows = [
        f"1-{n}\t{start}-{start + 4}\t{word}\t{cell}\t\n"
        for n, (start, word, cell) in enumerate(zip((0, 5), ("Kyiv", "fell"), cells, strict=True), 1)
    ]
    (folder / f"{name}.tsv").write_text(
        f"#FORMAT=WebAnno TSV 3.3\n{''.join(f'#T_SP={h}' + chr(10) for h in header)}\n\n#Text=Kyiv fell\n{''.join(rows)}"
    )


def cas_file(folder, name, layers, *annotations, kind="json"):
    """A document `Kyiv fell` with the annotations (layer, begin, end, features); `layers` declares features by layer."""
    cassis = pytest.importorskip("cassis")
    system = cassis.TypeSystem()
    for layer, features in layers.items():
        made = system.create_type(layer, supertypeName=features.get("", "uima.tcas.Annotation"))
        for feature, value in features.items():
            if feature:
                system.create_feature(made, feature, value)
    cas = cassis.Cas(typesystem=system)
    cas.sofa_string = "Kyiv fell"
    for layer, begin, end, features in annotations:
        cas.add(system.get_type(layer)(begin=begin, end=end, **features))
    if kind == "xmi":
        (folder / "TypeSystem.xml").write_text(system.to_xml())
    (folder / f"{name}.{kind}").write_text(cas.to_xmi() if kind == "xmi" else cas.to_json())


TEXT = "uima.cas.String"


def test_parts_of_speech_of_a_document_without_mentions_are_no_mentions(tmp_path):
    tsv(tmp_path, "a", [f"{NE}|identifier|value"], "*\tLOC", "_\t_")
    tsv(tmp_path, "b", [f"{POS}|PosValue|coarseValue"], "NNP\t_", "VBD\t_")
    tsv(tmp_path, "c", [], "", "")
    assert read(tmp_path) == ([[("Kyiv", "LOC")], [], []], f"labels are the feature 'value' of the layer {NE}")


def test_a_folder_with_parts_of_speech_only_asks_which_layer(tmp_path):
    tsv(tmp_path, "a", [f"{POS}|PosValue"], "NNP", "VBD")
    with pytest.raises(FormatError, match=r"which span layer holds the mentions\? there are: .*POS; name it with layer"):
        read(tmp_path)
    assert read(tmp_path, "webanno_tsv", layer="POS")[0] == [[("Kyiv", "NNP"), ("fell", "VBD")]]


def test_a_document_that_nobody_annotated_is_an_article_without_spans(tmp_path):
    tsv(tmp_path, "a", [], "", "")
    assert read(tmp_path) == ([[]], "no layer has annotations, so that no article has a span")


def test_a_layer_that_one_document_leaves_out_is_read_from_the_others_with_one_choice_of_feature(tmp_path):
    tsv(tmp_path, "a", [f"{EVENT}|certain|kind"], "true\t_", "_\tATTACK")
    tsv(tmp_path, "b", [f"{EVENT}|certain"], "false", "_")
    spans, remarks = read(tmp_path)
    assert spans == [[("Kyiv", "Event"), ("fell", "ATTACK")], [("Kyiv", "Event")]]
    assert "feature 'kind'" in remarks


def test_roles_are_never_labels(tmp_path):
    role = f"ROLE_{EVENT}:args_webanno.custom.EventArgsLink|uima.tcas.Annotation"
    tsv(tmp_path, "a", [f"{EVENT}|{role}|kind", f"{NE}|value"], "_\t_\t_\t_", "victim\t1-1\tATTACK\t_")
    assert read(tmp_path)[0] == [[("fell", "ATTACK")]]
    tsv(tmp_path, "a", [f"{EVENT}|{role}"], "_\t_", "victim\t1-1")
    assert read(tmp_path)[0] == [[("fell", "Event")]]
    with pytest.raises(FormatError, match=r"no feature 'uima.tcas.Annotation' that can hold labels; there are: none"):
        read(tmp_path, "webanno_tsv", layer=EVENT, feature="uima.tcas.Annotation")


def test_an_identifier_is_no_label(tmp_path):
    tsv(tmp_path, "a", [f"{NE}|identifier"], "http://www.wikidata.org/entity/Q1899", "_")
    assert read(tmp_path)[0] == [[("Kyiv", "NamedEntity")]]


def test_layers_and_features_that_are_not_read_are_named(tmp_path):
    tsv(tmp_path, "a", [f"{NE}|value|kind", f"{EVENT}|kind"], "LOC\tcity\t_", "_\t_\tATTACK")
    assert read(tmp_path)[1].endswith(f"; not read are its features kind; not read are the layers {EVENT}")


def test_relations_and_chains_alone_are_refused(tmp_path):
    (tmp_path / "a.tsv").write_text(
        "#FORMAT=WebAnno TSV 3.3\n#T_CH=custom.Coref|rel|type\n\n\n#Text=Kyiv\n1-1\t0-4\tKyiv\t*->1-1\tPER[1]\t\n"
    )
    with pytest.raises(FormatError, match="only relations or chains are annotated"):
        read(tmp_path)


OLD = {
    1: "# webanno.custom.Ev | kind\n#id=1\n#text=Kyiv fell\n1\tKyiv\tB-LOC\n2\tfell\tO\n",
    2: f" # {NE} | value\n#id=1\n#text=Kyiv fell\n1-1\tKyiv" + "\tLOC" * 8 + "\n1-2\tfell" + "\tO" * 8 + "\n",
}


@pytest.mark.parametrize("version", OLD)
def test_webanno_tsv_1_and_2_are_refused_with_the_remedy_and_not_taken_for_something_else(tmp_path, version):
    (tmp_path / "a.tsv").write_text(OLD[version])
    assert recognise(tmp_path / "a.tsv")[0].name == "webanno_tsv"
    assert sniff_conllu(OLD[version]) is None
    with pytest.raises(FormatError, match="versions 1 and 2 are not read: export it as WebAnno TSV 3 or XMI"):
        read(tmp_path / "a.tsv")


@pytest.mark.parametrize("kind", ["json", "xmi"])
def test_a_custom_layer_is_read_although_the_type_system_has_named_entity(tmp_path, kind):
    layers = {NE: {"value": TEXT}, "custom.Span": {"label": TEXT}}
    cas_file(tmp_path, "a", layers, kind=kind)
    cas_file(tmp_path, "b", layers, ("custom.Span", 0, 4, {"label": "LOC"}), kind=kind)
    assert read(tmp_path) == ([[], [("Kyiv", "LOC")]], "labels are the feature 'label' of the layer custom.Span")


@pytest.mark.parametrize("kind", ["json", "xmi"])
@pytest.mark.parametrize("feature", ["kind", "type", "self", "category"])
def test_the_label_is_the_value_of_a_feature_of_any_name(tmp_path, kind, feature):
    accessor = f"{feature}_" if feature in ("type", "self") else feature
    with pytest.warns(UserWarning, match="reserved name") if accessor != feature else pytest.MonkeyPatch.context():
        cas_file(tmp_path, "a", {EVENT: {feature: TEXT}}, (EVENT, 5, 9, {accessor: "ATTACK"}), (EVENT, 0, 4, {}), kind=kind)
    for options in ({}, {"feature": feature}, {"layer": "Event", "feature": feature}):
        spans, remarks = read(tmp_path, {"json": "cas_json"}.get(kind, kind), **options)
        assert spans == [[("Kyiv", "Event"), ("fell", "ATTACK")]]
        assert f"feature {feature!r} of the layer {EVENT}" in remarks


def test_numbers_and_truth_values_are_no_labels_unless_asked_for(tmp_path):
    layers = {EVENT: {"certain": "uima.cas.Boolean", "size": "uima.cas.Integer", "kind": TEXT}}
    cas_file(tmp_path, "a", layers, (EVENT, 5, 9, {"certain": True, "size": 3, "kind": "ATTACK"}))
    assert read(tmp_path)[0] == [[("fell", "ATTACK")]]
    assert read(tmp_path, "cas_json", feature="size")[0] == [[("fell", "3")]]
    assert read(tmp_path, "cas_json", feature="certain")[0] == [[("fell", "true")]]
    with pytest.raises(FormatError, match="has no feature 'mood' that can hold labels; there are: certain, size, kind"):
        read(tmp_path, "cas_json", layer="Event", feature="mood")


def test_kinds_of_named_entity_are_read_with_it(tmp_path):
    person = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.Person"
    cas_file(tmp_path, "a", {NE: {"value": TEXT}, person: {"": NE}}, (person, 0, 4, {}), (NE, 5, 9, {"value": "X"}))
    assert read(tmp_path)[0] == [[("Kyiv", "Person"), ("fell", "X")]]


def test_annotations_of_types_that_the_type_system_lacks_are_named(tmp_path):
    cas_file(tmp_path, "a", {NE: {"value": TEXT}, EVENT: {"kind": TEXT}}, (EVENT, 0, 4, {"kind": "X"}), kind="xmi")
    system = (tmp_path / "TypeSystem.xml").read_text()
    (tmp_path / "TypeSystem.xml").write_text(system.replace(EVENT, "webanno.custom.Other"))
    spans, remarks = read(tmp_path)
    assert spans == [[]]
    assert f"1 annotations of {EVENT} are not read" in remarks


GUM = (
    "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.Ev|kind|status\n"
    "#T_RL=webanno.custom.Rel|label|BT_webanno.custom.Ev\n#T_RL=webanno.custom.Other|label|BT_webanno.custom.Else\n\n"
    "#Text=Kyiv troops fell and held\n"
    "1-1\t0-4\tKyiv\tACTOR[1]\t*[1]\tAGENT|*\t1-3[0_1]|1-5[0_1]\t_\t_\n1-2\t5-11\ttroops\tACTOR[1]\t*[1]\t_\t_\t_\t_\n"
    "1-3\t12-16\tfell\tEVENT\tnegated\t_\t_\tx\t1-5\n1-4\t17-20\tand\t_\t_\t_\t_\t_\t_\n1-5\t21-25\theld\tEVENT\tsometimes\tPLACE\t1-4\t_\t_\n"
)


def test_relations_of_a_webanno_layer_are_links_from_their_source(tmp_path):
    (tmp_path / "a.tsv").write_text(GUM.replace("sometimes", "Future"))
    ledger = LossLedger()
    (article,) = read_articles(tmp_path, ledger=ledger)
    assert [(article.mention(link.event), link.role, article.mention(link.participant)) for link in article.links] == [
        ("fell", "AGENT", "Kyiv troops"), ("held", "Rel", "Kyiv troops"),
    ]  # fmt: skip
    assert [(span.label, span.status) for span in article.spans] == [("ACTOR", None), ("EVENT", "negated"), ("EVENT", "future")]
    assert [(link.role, link.event, link.participant) for link in ledger.links] == [("PLACE", None, (21, 25))]


def test_a_feature_status_with_other_values_is_no_status(tmp_path):
    (tmp_path / "a.tsv").write_text(GUM)
    (article,) = read_articles(tmp_path, ledger=LossLedger())
    assert {span.status for span in article.spans} == {None}


def test_a_relation_without_its_source_is_an_error_with_the_line(tmp_path):
    (tmp_path / "a.tsv").write_text(GUM.replace("1-3[0_1]", "fell"))
    with pytest.raises(FormatError, match=r"a.tsv:7: the relation 'fell' does not name the row of its source"):
        list(read_articles(tmp_path, ledger=LossLedger()))


def test_slots_that_annotations_of_the_same_layer_take_are_links(tmp_path):
    role = f"ROLE_{EVENT}:args_webanno.custom.EventArgsLink|uima.tcas.Annotation"
    rows = "_\t_\tACTOR", "AGENT;PLACE;*\t1-1;1-9[4];1-1\tATTACK"
    tsv(tmp_path, "a", [f"{EVENT}|{role}|kind"], *rows)
    ledger = LossLedger()
    (article,) = read_articles(tmp_path, ledger=ledger)
    assert [(article.mention(link.event), link.role, article.mention(link.participant)) for link in article.links] == [
        ("fell", "AGENT", "Kyiv"), ("fell", "relation", "Kyiv"),
    ]  # fmt: skip
    assert [(link.role, link.detail) for link in ledger.links] == [("PLACE", "row 1-2")]


def test_slots_of_a_cas_are_links(tmp_path):
    cassis = pytest.importorskip("cassis")
    system = cassis.TypeSystem()
    event = system.create_type("webanno.custom.Ev", supertypeName="uima.tcas.Annotation")
    slot = system.create_type("webanno.custom.EvArgsLink", supertypeName="uima.cas.TOP")
    system.create_feature(event, "kind", "uima.cas.String")
    system.create_feature(event, "args", "uima.cas.FSArray", elementType=slot)
    system.create_feature(slot, "role", "uima.cas.String")
    system.create_feature(slot, "target", "uima.tcas.Annotation")
    cas = cassis.Cas(typesystem=system)
    cas.sofa_string = "Kyiv fell"
    kyiv = event(begin=0, end=4, kind="ACTOR")
    fell = event(
        begin=5, end=9, kind="EVENT", args=system.get_type("uima.cas.FSArray")(elements=[slot(role="AGENT", target=kyiv)])
    )
    cas.add_all([kyiv, fell])
    cas.to_xmi(tmp_path / "a.xmi")
    system.to_xml(tmp_path / "TypeSystem.xml")
    (article,) = read_articles(tmp_path, ledger=LossLedger())
    assert [(article.mention(link.event), link.role, article.mention(link.participant)) for link in article.links] == [
        ("fell", "AGENT", "Kyiv")
    ]
