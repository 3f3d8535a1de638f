"""When two texts say the same: one normal form, shingle sets, MinHash LSH with every pair verified, components.

Everything is a function of the set of texts: no seed, no order, no clock decides an outcome.
"""

from distill.similarity.components import components
from distill.similarity.joiner import LOCAL, Joiner
from distill.similarity.normalise import normalise, normalise_all, split_words
from distill.similarity.pairs import Pairs, cross_pairs, cross_set_pairs, near_duplicate_pairs
from distill.similarity.runs import RUN_WORDS, hash_runs, share_runs
from distill.similarity.shingles import WORDS, ShingleSets, Shingling, encode, jaccard, sets_from_hashes, shingles
from distill.similarity.vectors import best_cosines, near_vector_pairs, pick_spread

__all__ = [
    "LOCAL",
    "RUN_WORDS",
    "WORDS",
    "Joiner",
    "Pairs",
    "ShingleSets",
    "Shingling",
    "best_cosines",
    "components",
    "cross_pairs",
    "cross_set_pairs",
    "encode",
    "hash_runs",
    "jaccard",
    "near_duplicate_pairs",
    "near_vector_pairs",
    "normalise",
    "normalise_all",
    "pick_spread",
    "sets_from_hashes",
    "share_runs",
    "shingles",
    "split_words",
]
