"""Settings of every command: plain data classes, checked when they are made.

Each field is a key of the configuration (`configs/`, docs/reference/settings.md), and the text below it says what it does. A wrong
value raises SettingsError with the full key, the value and what is allowed; OmegaConf checks types first.
"""

from eventtag.settings.commands import CurveSplit as CurveSplit
from eventtag.settings.commands import EvaluateSettings as EvaluateSettings
from eventtag.settings.commands import EvaluateSplit as EvaluateSplit
from eventtag.settings.commands import InferencePrecision as InferencePrecision
from eventtag.settings.commands import LearningCurveSettings as LearningCurveSettings
from eventtag.settings.commands import OutputFormat as OutputFormat
from eventtag.settings.commands import PredictSettings as PredictSettings
from eventtag.settings.commands import SeenArticles as SeenArticles
from eventtag.settings.commands import TaggingEngine as TaggingEngine
from eventtag.settings.commands import TrainSettings as TrainSettings
from eventtag.settings.data import MISSING as MISSING
from eventtag.settings.data import SPLITS as SPLITS
from eventtag.settings.data import CorpusSettings as CorpusSettings
from eventtag.settings.data import DataSettings as DataSettings
from eventtag.settings.data import MixedCorpusSettings as MixedCorpusSettings
from eventtag.settings.data import Overlaps as Overlaps
from eventtag.settings.evaluation import EvaluationSettings as EvaluationSettings
from eventtag.settings.model import Head as Head
from eventtag.settings.model import IntermediateSettings as IntermediateSettings
from eventtag.settings.model import LoraSettings as LoraSettings
from eventtag.settings.model import ModelSettings as ModelSettings
from eventtag.settings.pretrain import PretrainSettings as PretrainSettings
from eventtag.settings.pretrain import PretrainTrainerSettings as PretrainTrainerSettings
from eventtag.settings.select import SelectSettings as SelectSettings
from eventtag.settings.serve import ServeSettings as ServeSettings
from eventtag.settings.sweep import SweepSettings as SweepSettings
from eventtag.settings.teacher import TeacherSettings as TeacherSettings
from eventtag.settings.trainer import Metric as Metric
from eventtag.settings.trainer import Precision as Precision
from eventtag.settings.trainer import TrainerSettings as TrainerSettings
from eventtag.settings.window import WindowSettings as WindowSettings
