"""How good a ranking is, by named protocols, because one name stands for several numbers in the wild."""

from pictrieve.evaluate.comparison import Comparison, System, compare
from pictrieve.evaluate.corruption import CORRUPTIONS, Robustness, robustness
from pictrieve.evaluate.differences import Difference, compare_reports
from pictrieve.evaluate.judgements import Correlation, correlation
from pictrieve.evaluate.protocols import Protocol
from pictrieve.evaluate.rankings import oxford_protocols, retrieval
from pictrieve.evaluate.report import EvalReport
from pictrieve.evaluate.slices import Slice
from pictrieve.evaluate.statistics import Interval
from pictrieve.evaluate.table import Table
from pictrieve.evaluate.vectors import ImageText, embeddings, image_text

__all__ = [
    "CORRUPTIONS",
    "Comparison",
    "Correlation",
    "Difference",
    "EvalReport",
    "ImageText",
    "Interval",
    "Protocol",
    "Robustness",
    "Slice",
    "System",
    "Table",
    "compare",
    "compare_reports",
    "correlation",
    "embeddings",
    "image_text",
    "oxford_protocols",
    "retrieval",
    "robustness",
]
