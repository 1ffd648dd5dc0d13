"""What Label Studio and INCEpTION really sent, where the recordings are there."""

from __future__ import annotations

import json
from pathlib import Path

import cassis
import pytest
from conftest import REPOSITORY
from served_app import serving

PROTOCOLS = REPOSITORY.parent / "shared" / "protocols"

pytestmark = [pytest.mark.corpora, pytest.mark.skipif(not PROTOCOLS.is_dir(), reason="needs recorded requests")]


def test_all_that_label_studio_sent_is_answered(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, tmp_path / "a") as (client, service):
        for line in (PROTOCOLS / "label_studio_1.23.2_requests.jsonl").read_text(encoding="utf-8").splitlines():
            sent = json.loads(line)
            answer = client.request(sent["method"], f"/label_studio{sent['path']}", json=sent["body"])
            training = (sent["body"] or {}).get("action") == "START_TRAINING"
            assert answer.status_code == (409 if training else 200), answer.text  # the one annotation was deleted before
            if sent["path"] == "/predict":
                assert len(answer.json()["results"]) == len(sent["body"]["tasks"])
        assert service.corrections.events == 3
        assert not list(service.corrections)


def test_a_document_that_inception_sent_comes_back_with_predictions(checkpoint: Path, tmp_path: Path) -> None:
    sent = json.loads((PROTOCOLS / "inception_predict_request.json").read_text(encoding="utf-8"))
    with serving(checkpoint, tmp_path / "a") as (client, _):
        answer = client.post("/inception/predict", json=sent)
    assert answer.status_code == 200
    system = cassis.load_typesystem(sent["typeSystem"])
    before = cassis.load_cas_from_xmi(sent["document"]["xmi"], typesystem=system)
    after = cassis.load_cas_from_xmi(answer.json()["document"], typesystem=system)
    layer = sent["metadata"]["layer"]
    assert after.sofa_string == before.sofa_string
    tokens = after.select("de.tudarmstadt.ukp.dkpro.core.api.segmentation.type.Token")
    begins, ends = {token.begin for token in tokens}, {token.end for token in tokens}
    predicted = [one for one in after.select(layer) if one.inception_internal_predicted]
    assert predicted
    assert all(one.begin in begins and one.end in ends for one in predicted)
    assert len(after.select(layer)) - len(predicted) == len(before.select(layer))
