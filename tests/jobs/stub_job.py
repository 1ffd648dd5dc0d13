"""Jobs of the scripts' stub tagger, for tests: their input, what must come out, and an engine that stops half-way."""

import json
from pathlib import Path

from stub_tagger import MakeStub, inline, tag_article

from eventtag.article import Article
from eventtag.formats.jsonl import json_line
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.run import JobOptions, JobReport, run_job

SETTINGS = {"checkpoint": "c1", "thresholds": {"EVENT": 0.5}}
POISON = {
    3: '{"id": "a3", "text": "POISON raise"}',
    4: '{"id": "a4", "text": ',
    11: '{"id": "a11", "text": "POISON nan Here"}',
    22: '{"id": "a1", "text": "Again."}',
}


def write_input(path: Path, count: int = 23, *, poison: dict[int, str] | None = None) -> Path:
    """`count` lines; line n (from 0) is `poison[n]` where that is given."""
    lines = [json.dumps({"id": f"a{n}", "text": f"Police met Miners number {n} in Lima.", "day": n}) for n in range(count)]
    for number, line in (poison or {}).items():
        lines[number] = line
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def expected(path: Path, dead: tuple[str, ...] = ()) -> str:
    """The output that plain tagging gives, article by article."""
    articles = [row.article for row in read_rows(str(path)) if row.article is not None and row.article.id not in dead]
    return "".join(json_line(Article(a.id, a.text, tag_article(a).spans, meta=a.meta)) + "\n" for a in articles)


def tag(path: Path, output: Path, engine=None, *, settings=SETTINGS, **options) -> JobReport:
    engine = engine or inline(MakeStub()())
    return run_job(read_rows(str(path)), output, engine, settings=settings, options=JobOptions(shard_rows=5, **options))


def dead_letters(output: Path) -> list[dict[str, object]]:
    file = output.with_name(output.name + ".job") / "dead_letter.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


class StoppedError(Exception):
    pass


def stop_after(shards: int):
    """An engine that ends with an error when it has stored so many shards."""

    def engine(given, store):
        for number, record in enumerate(inline(MakeStub()())(given, store)):
            if number == shards:
                raise StoppedError
            yield record

    return engine


def hidden_job(output: Path) -> Path:
    return output.with_name(output.name + ".job")
