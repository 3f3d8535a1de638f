"""Base model and tokenizer on their way in (resolve, build, load) and the student's weights on their way out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import peft
import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForTextEncoding,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from distill.errors import ConfigError, StoreError
from distill.students import is_follower
from distill.students.bases import ResolvedBase, check_trust, hash_weights, refuse_code, resolve_base
from distill.students.config import StudentConfig, TinyModelConfig
from distill.students.manifest import StudentManifest
from distill.students.quantised import check_widths, dequantise, is_quantised, quantise_on_load
from distill.students.tiny import Family, build_tiny

TINY_BASE_FOLDER = "base"
_CLASSES: dict[Family, Any] = {
    "encoder": AutoModel,
    "causal_lm": AutoModelForCausalLM,
    "seq2seq": AutoModelForSeq2SeqLM,
}


class Foundation(NamedTuple):
    """A base ready to be adapted."""

    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel
    base: ResolvedBase


def lay_foundation(family: Family, config: StudentConfig, texts: Sequence[str], output_dir: Path) -> Foundation:
    """Load the configured base in fp32, or build the tiny one from `texts` and keep it under `output_dir`/base.

    For QLoRA its linear layers are in 4 bits.

    Raises:
        ConfigError: the base cannot be found.
        MissingExtraError: the base is to be quantised, and bitsandbytes is not installed.
    """
    transformers_logging.disable_progress_bar()
    if isinstance(config.base, TinyModelConfig):
        tokenizer, model = build_tiny(family, config.base, texts, config.seed)
        folder = output_dir / TINY_BASE_FOLDER
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        hashes = {} if is_follower() else hash_weights(folder)  # save_pretrained writes in the first process only
        base = ResolvedBase("tiny", None, folder, "local", hashes)
        return _load(family, base, config) if is_quantised(config) else Foundation(tokenizer, model, base)
    return _load(family, resolve_base(config.base, config.revision), config)


def open_foundation(family: Family, directory: Path, manifest: StudentManifest) -> Foundation:
    """Load what a saved student stands on: its own weights, or the base that its adapters belong to.

    Raises:
        StoreError: the directory is damaged or its base does not match.
    """
    if manifest.config.lora is None:
        return load_full(family, directory)
    return reload_foundation(family, directory, manifest)


def reload_foundation(family: Family, directory: Path, manifest: StudentManifest) -> Foundation:
    """Load the base a saved student was trained on, with the student's own tokenizer.

    Raises:
        StoreError: the base on this machine is not the one that was trained on.
        ConfigError: the base cannot be found.
        MissingExtraError: the base was quantised, and bitsandbytes is not installed.
    """
    transformers_logging.disable_progress_bar()
    recorded = manifest.base
    name, revision = str(recorded["name"]), recorded["revision"]
    if name == "tiny":
        folder = directory / TINY_BASE_FOLDER
        try:
            base = ResolvedBase(name, None, folder, "local", hash_weights(folder))
        except ConfigError as error:
            raise StoreError(f"{folder}: the base of this student is missing or damaged") from error
    else:
        base = resolve_base(name, None if revision is None else str(revision))
    if base.hashes != recorded["hashes"]:
        raise StoreError(f"{directory}: the base model {name!r} found here is not the one it was trained on")
    model = _load(family, base, manifest.config).model
    if is_quantised(manifest.config):
        model = dequantise(model)
    return Foundation(AutoTokenizer.from_pretrained(directory), model, base)


def load_weights(directory: Path, foundation: Foundation, *, merge: bool) -> PreTrainedModel:
    """Put the trained weights of the student in `directory` onto its base; `merge` folds adapters in, in fp32.

    Raises:
        StoreError: the weights are missing or damaged.
    """
    if not (directory / peft.utils.CONFIG_NAME).is_file():
        return foundation.model
    if not (directory / peft.utils.SAFETENSORS_WEIGHTS_NAME).is_file():
        raise StoreError(f"{directory}: holds no {peft.utils.SAFETENSORS_WEIGHTS_NAME} (pickled adapters are not read)")
    try:
        adapted = peft.PeftModel.from_pretrained(foundation.model, directory)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise StoreError(f"{directory}: the adapter cannot be loaded: {error}") from error
    return cast("PreTrainedModel", adapted.merge_and_unload() if merge else adapted)


def save_weights(model: nn.Module, directory: Path) -> None:
    """Write the adapter (PEFT's layout), or the whole model where everything was trained."""
    if isinstance(model, peft.PeftModel):
        model.save_pretrained(str(directory), save_embedding_layers=False)
    else:
        cast("PreTrainedModel", model).save_pretrained(directory)


def load_full(family: Family, directory: Path) -> Foundation:
    """Load a fully fine-tuned student: its own weights are the model.

    Raises:
        StoreError: the weights are missing or damaged.
    """
    transformers_logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory)
        chosen = _choose_class(family, directory, trust_remote_code=False)
        model = chosen.from_pretrained(directory, dtype=torch.float32, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise StoreError(f"{directory}: the model cannot be loaded: {error}") from error
    return Foundation(tokenizer, model, ResolvedBase(str(directory), None, directory, "local", {}))


def _load(family: Family, base: ResolvedBase, config: StudentConfig) -> Foundation:
    """Load a base.

    Raises:
        ConfigError: it needs Python code of its own, and config and environment do not both allow that.
        MissingExtraError: it is to be quantised, and bitsandbytes is not installed.
    """
    trust = config.trust_remote_code
    if trust:
        check_trust(base.name)
    four_bits = quantise_on_load() if is_quantised(config) else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(base.path, trust_remote_code=trust)
        model = _choose_class(family, base.path, trust_remote_code=trust).from_pretrained(
            base.path, dtype=torch.float32, use_safetensors=True, trust_remote_code=trust, **four_bits
        )
    except ValueError as error:
        raise (None if trust else refuse_code(base)) or error from error
    if four_bits:
        check_widths(model)
    return Foundation(tokenizer, model, base)


def _choose_class(family: Family, directory: Path, *, trust_remote_code: bool) -> type[Any]:
    """Return the class to load with; of an encoder-decoder a classifier takes the encoder alone."""
    if family == "encoder":
        config = AutoConfig.from_pretrained(directory, trust_remote_code=trust_remote_code)
        if (
            cast("dict[str, str]", MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES)
            .get(config.model_type, "")
            .endswith("EncoderModel")
        ):
            return AutoModelForTextEncoding
    return _CLASSES[family]
