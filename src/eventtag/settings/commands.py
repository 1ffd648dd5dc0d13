"""Settings of the commands `train`, `learning-curve`, `evaluate` and `predict`."""

from __future__ import annotations

import codecs
import math
import re
from dataclasses import dataclass, field
from enum import Enum

from eventtag.settings.data import MISSING, DataSettings
from eventtag.settings.data import require_given as _require_given
from eventtag.settings.data import require_names as _require_names
from eventtag.settings.data import require_setting as _require
from eventtag.settings.evaluation import EvaluationSettings
from eventtag.settings.model import Head, ModelSettings
from eventtag.settings.teacher import TeacherSettings
from eventtag.settings.trainer import TrainerSettings
from eventtag.settings.window import WindowSettings


def require_thresholds(thresholds: dict[str, float]) -> None:
    """Raise SettingsError for a threshold outside 0 to 1."""
    for label, threshold in thresholds.items():
        _require(0 <= threshold <= 1, f"thresholds.{label}", threshold, "0 to 1")


@dataclass
class TrainSettings:
    """`eventtag train`."""

    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    window: WindowSettings = field(default_factory=WindowSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    base: str | None = None
    """An earlier run of `train`, or its checkpoint, to continue from. Encoder, head, labels and windows are those of that run, and
    its validation and test articles keep their splits. The articles of `data` are added to its training articles, and both
    checkpoints are compared on its test articles."""
    export: bool | None = None
    """Whether to leave the model in the checkpoint as bf16 too, with which CPUs tag faster, if it finds nearly the same spans
    (docs/how-to/speed.md). null: on a CPU with instructions for bfloat16, for encoders whose layers are 128 to 768 wide. true: if
    it is refused, the command ends with an error."""
    seed: int = 42
    """Seed of everything random in training."""
    resume: bool = False
    """Continue the unfinished run in `run_dir`, or start it if there is none."""
    run_dir: str = MISSING
    """Directory of this run."""

    def __post_init__(self) -> None:
        _require(0 <= self.seed < 2**32, "seed", self.seed, "0 <= seed < 2**32")
        _require_given("run_dir", self.run_dir)
        _require_given("base", self.base)
        _require(
            self.model.head is not Head.span or not self.teacher.checkpoints,
            "teacher.checkpoints", "given", "needs model.head=crf or softmax",
        )  # fmt: skip
        tokens = self.trainer.batch_tokens
        _require(
            tokens is None or tokens >= self.window.max_length,
            "trainer.batch_tokens",
            tokens,
            f"at least window.max_length (here {self.window.max_length})",
        )


class CurveSplit(Enum):
    """Which articles a learning curve is scored on."""

    validation = "validation"
    """The articles that also choose the epoch: scores are slightly too high at every size, and the test articles stay unused."""
    test = "test"


@dataclass
class LearningCurveSettings(TrainSettings):
    """`eventtag learning-curve`: the settings of `train`, and how many articles to train on."""

    sizes: list[int] | None = None
    """Numbers of training articles, three or more; null: all of them, halved up to four times."""
    repeats: int = 1
    """Runs per size, each with another draw of the articles and another seed."""
    more: int = 100
    """Number of further articles for which the gain is extrapolated."""
    stretch: float = 4.0
    """Only with `trainer.epochs`: smaller sizes get more epochs, up to this many times `trainer.epochs` (and `trainer.patience`),
    so that they have as many updates as all articles. 1 gives every size the same epochs. Without `trainer.epochs`, every size has
    enough updates (`trainer.min_updates`)."""
    split: CurveSplit = CurveSplit.validation
    keep_checkpoints: bool = False
    """Keep the checkpoint of every run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.base is None, "base", self.base, "a learning curve trains from the encoder; leave it out")
        _require(self.export is not True, "export", self.export, "a learning curve exports nothing; leave it out")
        _require(self.repeats >= 1, "repeats", self.repeats, "at least 1")
        _require(self.more >= 1, "more", self.more, "at least 1")
        _require(1 <= self.stretch < math.inf, "stretch", self.stretch, "at least 1")
        if self.sizes is not None:
            _require(len(set(self.sizes)) >= 3, "sizes", self.sizes, "three different numbers or more; fewer give no curve")
            _require(min(self.sizes) >= 1, "sizes", self.sizes, "numbers of articles, 1 and more")


class InferencePrecision(Enum):
    """How exactly a model is computed for tagging."""

    auto = "auto"
    """The fastest on this machine of fp32 and of the others that agree with it on the validation articles."""
    fp32 = "fp32"
    """float32: ONNX Runtime if the checkpoint has such an export, else torch."""
    bf16 = "bf16"
    """Matrix products in bfloat16: OpenVINO if the checkpoint has such an export, else torch."""
    int8 = "int8"
    """ONNX Runtime, from an export that passed its quality gate (`eventtag export`)."""


class EvaluateSplit(Enum):
    """Which articles `evaluate` scores."""

    auto = "auto"
    """test if the corpus has one, else validation, else all. In a corpus without splits, the articles that the checkpoint learnt
    from are train, those that chose its epoch and thresholds are validation, and all others are test."""
    train = "train"
    validation = "validation"
    test = "test"
    all = "all"


class SeenArticles(Enum):
    """What happens to articles that the checkpoint learnt from."""

    exclude = "exclude"
    """They are left out, and the report says how many."""
    include = "include"
    """They are scored, and the report says that these scores are too high."""


@dataclass
class EvaluateSettings:
    """`eventtag evaluate`."""

    checkpoint: str = MISSING
    """Checkpoint directory."""
    data: DataSettings | None = None
    """The articles; null: those of the run that made the checkpoint."""
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    split: EvaluateSplit = EvaluateSplit.auto
    seen: SeenArticles = SeenArticles.exclude
    thresholds: dict[str, float] = field(default_factory=dict)
    """By label, the score below which spans are left out, in place of the checkpoint's thresholds."""
    batch_tokens: int | None = None
    """Tokens that the model reads at once; null: as many as suit the engine."""
    precision: InferencePrecision = InferencePrecision.fp32
    """How exactly the model is computed (docs/how-to/speed.md)."""
    stride: int | None = None
    """Tokens that neighbouring windows share at most; null: as in training. Fewer are faster (docs/how-to/speed.md)."""
    run_dir: str = MISSING
    """Directory for report.json, report.md, report.html and predictions.jsonl."""

    def __post_init__(self) -> None:
        _require_given("checkpoint", self.checkpoint)
        _require_given("run_dir", self.run_dir)
        _require(self.batch_tokens is None or self.batch_tokens >= 1, "batch_tokens", self.batch_tokens, "at least 1, or null")
        _require(self.stride is None or self.stride >= 0, "stride", self.stride, "0 or above, or null")
        require_thresholds(self.thresholds)


class OutputFormat(Enum):
    """What `predict` writes."""

    auto = "auto"
    """By the output's suffix: .jsonl, .parquet, .csv, .html, .conll; without a suffix jsonl. Colours on a terminal."""
    jsonl = "jsonl"
    parquet = "parquet"
    csv = "csv"
    label_studio = "label_studio"
    prodigy = "prodigy"
    doccano = "doccano"
    brat = "brat"
    conll = "conll"
    html = "html"
    terminal = "terminal"


class TaggingEngine(Enum):
    """Where a corpus is tagged."""

    local = "local"
    """Processes on this machine."""
    ray = "ray"
    """Actors of a Ray cluster (docs/how-to/cluster.md)."""


def text_encoding(name: str) -> str | None:
    """Python's name of the encoding; None for UTF-8."""
    try:
        "".encode(name)  # refuses codecs that are none of text
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    _require(bool(found), "encoding", repr(name), "Python's names of encodings: utf-8, cp1252, latin-1, gb18030, ...")
    return None if found == "utf-8" else found


@dataclass
class PredictSettings:
    """`eventtag predict`."""

    checkpoint: str = MISSING
    """Checkpoint directory."""
    input: str = MISSING
    """A file (text, HTML, JSONL, CSV, Parquet; also compressed), a folder of such files, a pattern, a Hugging Face dataset on disk, or `-`
    for standard input."""
    output: str = "-"
    """File to write; `-` is standard output, `DIR/` a folder of files with `shard_rows` rows each. The same command continues a job that
    was interrupted.
    """
    format: OutputFormat = OutputFormat.auto
    encoding: str | None = None
    """Encoding of texts, pages, JSONL and CSV without a byte order mark, such as `cp1252`; null: UTF-8, for pages the encoding that
    they declare."""
    text_field: str = "text"
    """Field of a JSONL line that holds the text."""
    id_field: str = "id"
    """Field of a row that holds the article's id."""
    require_id: bool | None = None
    """Whether a row without an id is a bad row; null: yes if the file's first row has one. Otherwise such rows are numbered."""
    max_row_bytes: int = 8_000_000
    """A longer row is a bad row."""
    page_seconds: float = 30
    """Seconds that reading a web page may take; after that it is a bad row."""
    article_seconds: float = 600
    """Seconds that tagging an article may take; after that it is a bad row. Code that hangs outside of Python is not ended with
    `output=-`, and only after up to seven times as long with `engine=ray`.
    """
    min_score: float = 0.0
    """Spans with a lower score are left out, with any label."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """By label, the score below which spans are left out, in place of the checkpoint's thresholds."""
    precision: InferencePrecision = InferencePrecision.auto
    """How exactly the model is computed (docs/how-to/speed.md)."""
    stride: int | None = None
    """Tokens that neighbouring windows share at most; null: as in training. Fewer are faster (docs/how-to/predict.md)."""
    batch_tokens: int | None = None
    """Tokens that the model reads at once; null: as many as suit the engine."""
    labels: list[str] | None = None
    """Labels whose spans are wanted; null: all."""
    sentences: bool = False
    """Write each span's sentence beside it (JSONL, Parquet and CSV)."""
    workers: int | None = None
    """Processes or actors that tag if `output` is a file; null: one for each core, or one if there is a GPU; in a Ray cluster, as
    many as it has room for."""
    threads: int = 1
    """Threads of each of these processes."""
    engine: TaggingEngine = TaggingEngine.local
    ray_address: str | None = None
    """Address of a Ray cluster (`auto`, `host:6379`); null: the value of RAY_ADDRESS, else Ray is started on this machine."""
    ray_cpus: float = 0.9
    """CPUs that a Ray actor reserves; less than one for each thread, so that Ray's own tasks find room."""
    ray_gpus: float | None = None
    """GPUs that a Ray actor reserves; null: one if the cluster has any."""
    shard_rows: int = 128
    """Rows that are tagged and stored together; after a crash an unfinished shard is tagged again."""
    max_bad_rows: float = 0.05
    """Largest number of bad rows with which the exit code is 0: a share of all rows if below 1, else a number. All other rows are
    tagged in any case."""
    retry_dead_letter: bool = False
    """Tag only the rows in dead_letter.jsonl again."""
    shard: str | None = None
    """The part of a shared job that this process tags (docs/how-to/cluster.md): `3/100` is the third of a hundred parts, `slurm`
    the part that the variables of a Slurm array name; null: all of it."""
    json_logs: bool = False
    """Write the progress as JSON lines to standard error (`--json-logs` does the same)."""

    def __post_init__(self) -> None:
        if self.encoding is not None:
            self.encoding = text_encoding(self.encoding)
        for key in ("checkpoint", "input", "text_field", "id_field", "ray_address"):
            _require_given(key, getattr(self, key))
        _require_names("labels", self.labels)
        _require(self.stride is None or self.stride >= 0, "stride", self.stride, "0 or above, or null")
        _require(bool(self.output.strip(" ./")), "output", repr(self.output), "give the name of a file, or - for standard output")
        _require(self.batch_tokens is None or self.batch_tokens >= 1, "batch_tokens", self.batch_tokens, "at least 1, or null")
        _require(self.max_row_bytes >= 1, "max_row_bytes", self.max_row_bytes, "at least 1")
        _require(0 < self.page_seconds < math.inf, "page_seconds", self.page_seconds, "above 0")
        _require(0 < self.article_seconds < math.inf, "article_seconds", self.article_seconds, "above 0")
        _require(self.workers is None or self.workers >= 1, "workers", self.workers, "at least 1, or null")
        _require(self.threads >= 1, "threads", self.threads, "at least 1")
        _require(0 < self.ray_cpus < math.inf, "ray_cpus", self.ray_cpus, "above 0")
        _require(self.ray_gpus is None or 0 <= self.ray_gpus < math.inf, "ray_gpus", self.ray_gpus, "0 or above, or null")
        _require(self.shard_rows >= 1, "shard_rows", self.shard_rows, "at least 1")
        _require(0 <= self.max_bad_rows < math.inf, "max_bad_rows", self.max_bad_rows, "0 or above")
        _require(0 <= self.min_score <= 1, "min_score", self.min_score, "0 <= min_score <= 1")
        require_thresholds(self.thresholds)
        if self.shard is not None:
            self._check_shard(self.shard)

    def _check_shard(self, shard: str) -> None:
        part = re.fullmatch("([0-9]{1,9})/([0-9]{1,9})", shard)
        known = shard == "slurm" or (part is not None and 1 <= int(part[1]) <= int(part[2]))
        _require(known, "shard", shard, "slurm, or a part such as 3/100 (from 1/100 to 100/100)")
        _require(self.output != "-", "shard", shard, "needs output=, a file that all processes see")
        _require(self.input != "-", "shard", shard, "needs input= files, which every process reads for itself")
        _require(self.engine is TaggingEngine.local, "shard", shard, "not with engine=ray, which divides the job by itself")
        _require(not self.retry_dead_letter, "shard", shard, "not with retry_dead_letter=true, which takes one process")
