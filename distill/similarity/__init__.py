"""When two texts say the same: one normal form, shingle sets, MinHash LSH with every pair verified, components.

Everything is a function of the set of texts: no seed, no order, no clock decides an outcome.
"""

from distill.similarity.components import components
from distill.similarity.digests import Digests, digest_texts
from distill.similarity.joiner import LOCAL, Joined, Joiner, Profile, Sides, make_profile, propose, verify
from distill.similarity.minhash import choose_banding, iterate_bands
from distill.similarity.normalise import normalise, normalise_all, split_words
from distill.similarity.pairs import Pairs, cross_pairs, cross_set_pairs, near_duplicate_pairs
from distill.similarity.runs import RUN_WORDS, hash_runs, share_runs
from distill.similarity.shingles import (
    WORDS,
    ShingleSets,
    Shingling,
    encode,
    jaccard,
    sets_from_hashes,
    shingles,
    take_sets,
)
from distill.similarity.vectors import best_cosines, near_vector_pairs, pick_spread

__all__ = [
    "LOCAL",
    "RUN_WORDS",
    "WORDS",
    "Digests",
    "Joined",
    "Joiner",
    "Pairs",
    "Profile",
    "ShingleSets",
    "Shingling",
    "Sides",
    "best_cosines",
    "choose_banding",
    "components",
    "cross_pairs",
    "cross_set_pairs",
    "digest_texts",
    "encode",
    "hash_runs",
    "iterate_bands",
    "jaccard",
    "make_profile",
    "near_duplicate_pairs",
    "near_vector_pairs",
    "normalise",
    "normalise_all",
    "pick_spread",
    "propose",
    "sets_from_hashes",
    "share_runs",
    "shingles",
    "split_words",
    "take_sets",
    "verify",
]
