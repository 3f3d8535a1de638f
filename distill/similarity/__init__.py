"""When two texts say the same: one normal form, shingle sets, MinHash LSH with every pair verified, components.

Everything is a function of the set of texts: no seed, no order, no clock decides an outcome.
"""

from distill.similarity.components import components
from distill.similarity.normalise import normalise, split_words
from distill.similarity.pairs import Pairs, cross_pairs, near_duplicate_pairs
from distill.similarity.shingles import WORDS, Shingling, jaccard, shingles

__all__ = [
    "WORDS",
    "Pairs",
    "Shingling",
    "components",
    "cross_pairs",
    "jaccard",
    "near_duplicate_pairs",
    "normalise",
    "shingles",
    "split_words",
]
