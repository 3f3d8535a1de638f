"""Sentence embeddings by an encoder base: mean of the token features, length 1.

Letters: B rows, T positions, H hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from distill.students.bases import resolve_base
from distill.students.batching import pack_sorted
from distill.students.classifier_model import pool
from distill.students.device import place
from distill.students.text_encoding import encode_texts, pad_ids, truncate_ids

MAX_TOKENS = 256
BATCH_TOKENS = 8192


def embed_texts(texts: Sequence[str], name: str, revision: str | None, device: str = "auto") -> NDArray[np.float32]:
    """Return one unit vector per text, in order; texts are cut at 256 tokens.

    Raises:
        ConfigError: the encoder cannot be found, or the device is not there.
    """
    transformers_logging.disable_progress_bar()
    base = resolve_base(name, revision)
    tokenizer = AutoTokenizer.from_pretrained(base.path)
    placed = place(device).device
    model = AutoModel.from_pretrained(base.path, dtype=torch.float32, use_safetensors=True).to(placed).eval()
    rows = [truncate_ids(tokenizer, ids, MAX_TOKENS) for ids in encode_texts(tokenizer, texts)]
    vectors = np.zeros((len(rows), model.config.hidden_size), np.float32)
    with torch.inference_mode():
        for batch in pack_sorted([len(ids) for ids in rows], BATCH_TOKENS):
            ids_BT, mask_BT = pad_ids([rows[row] for row in batch], cast("int", tokenizer.pad_token_id or 0))
            hidden_BTH = model(input_ids=ids_BT.to(placed), attention_mask=mask_BT.to(placed)).last_hidden_state
            pooled_BH = pool(hidden_BTH, mask_BT.to(placed), "mean")
            vectors[batch] = functional.normalize(pooled_BH, dim=-1).float().cpu().numpy()
    return vectors
