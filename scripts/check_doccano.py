"""`/doccano` of a running server with the client that doccano itself uses.

python -m venv ENV && ENV/bin/pip install auto-labeling-pipeline
ENV/bin/python scripts/check_doccano.py http://127.0.0.1:8000
"""

from __future__ import annotations

import json
import sys
import urllib.request

from auto_labeling_pipeline.labels import SequenceLabels
from auto_labeling_pipeline.mappings import MappingTemplate
from auto_labeling_pipeline.models import CustomRESTRequestModel
from auto_labeling_pipeline.pipeline import pipeline as label_by_rest
from auto_labeling_pipeline.postprocessing import PostProcessor

TEXTS = (
    "Police arrested five men in Lyon on Monday.",
    "😀 Rebels attacked the capital, Reuters reported from Nairobi.",
    "Nothing.",
)


def main() -> int:
    """Compare what doccano would store with what `/api/tag` says; returns 1 where they differ."""
    (address,) = sys.argv[1:]
    wrong = 0
    for text in TEXTS:
        model = CustomRESTRequestModel(
            url=f"{address}/doccano", method="POST", params={}, headers={}, body={"text": "{{ text }}"}
        )
        mapping = MappingTemplate(label_collection=SequenceLabels, template="{{ input | tojson }}")
        stored = label_by_rest(text, model, mapping, PostProcessor({})).dict()
        request = urllib.request.Request(f"{address}/api/tag", json.dumps({"text": text}).encode())  # noqa: S310 - our own
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            spans = json.loads(answer.read())["spans"]
        expected = [{"label": s["label"], "start_offset": s["start"], "end_offset": s["end"]} for s in spans]
        found = [{key: one[key] for key in ("label", "start_offset", "end_offset")} for one in stored]
        print(f"{'ok  ' if found == expected else 'FAIL'} {len(found)} spans in {text!r}")
        wrong += found != expected
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
