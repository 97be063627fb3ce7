"""Ranking beyond the nearest: fusion, re-ranking, diversity, calibration, feedback. Nothing here is on by default."""

from pictrieve.rank._examples import Question, Round
from pictrieve.rank.calibration import Calibration
from pictrieve.rank.combine import combine_queries
from pictrieve.rank.diffusion import diffusion
from pictrieve.rank.diversity import mmr
from pictrieve.rank.expansion import augment_database, query_expansion
from pictrieve.rank.feedback import Feedback
from pictrieve.rank.fusion import Explanation, FusedResult, rrf, weighted
from pictrieve.rank.gain import Gain, GainRow, evaluate_gain
from pictrieve.rank.geometric import geometric
from pictrieve.rank.profile import Interest, Profile
from pictrieve.rank.reciprocal import k_reciprocal

__all__ = [
    "Calibration",
    "Explanation",
    "Feedback",
    "FusedResult",
    "Gain",
    "GainRow",
    "Interest",
    "Profile",
    "Question",
    "Round",
    "augment_database",
    "combine_queries",
    "diffusion",
    "evaluate_gain",
    "geometric",
    "k_reciprocal",
    "mmr",
    "query_expansion",
    "rrf",
    "weighted",
]
