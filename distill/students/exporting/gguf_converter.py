"""llama.cpp's converter run as it is, but told how a tokenizer splits text where it does not know that vocabulary.

The converter knows a BPE tokenizer by a hash of the ids that its vocabulary gives to one text, so each vocabulary
trained on other rows is foreign to it, even where it splits text exactly as a known one does.
Run as a script: NAME CONVERTER [ARGUMENTS OF THE CONVERTER]...
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

METHOD = "get_vocab_base_pre"


def main() -> None:
    """Run the converter."""
    splitter, script, *arguments = sys.argv[1:]
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).resolve().parent))
    converter = load_converter(Path(script))
    for kind in find_asked(converter):
        tell(kind, splitter)
    converter.main()


def load_converter(path: Path) -> ModuleType:
    """Import the converter without running it.

    Raises:
        ImportError: it is no Python file.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def find_asked(converter: ModuleType) -> Iterator[type[Any]]:
    """Yield the converter's classes that say what a tokenizer is."""
    waiting = [kind for kind in vars(converter).values() if isinstance(kind, type)]
    seen: set[type[Any]] = set()
    while waiting:
        kind = waiting.pop()
        if kind in seen or kind is type:
            continue
        seen.add(kind)
        waiting += kind.__subclasses__()
        if METHOD in vars(kind):
            yield kind


def tell(kind: type[Any], splitter: str) -> None:
    """Let `kind` answer `splitter` where it would otherwise refuse a tokenizer it does not know."""
    known = getattr(kind, METHOD)

    def ask(self: object, tokenizer: object) -> str:
        try:
            return known(self, tokenizer)
        except NotImplementedError:
            return splitter

    setattr(kind, METHOD, ask)


if __name__ == "__main__":
    main()
