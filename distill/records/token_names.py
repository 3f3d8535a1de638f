"""What a token of a teacher's reply stands for, by the name that an API gives it: bytes of the answer, or its end."""

from __future__ import annotations

import re

_END = re.compile(r"|<[|\uff5c].*[|\uff5c]>|</?s>|<eos>|<end_of_turn>|\[(?:EOS|END|SEP)\]", re.DOTALL)


def read_name(token: str) -> bytes:
    r"""Return the bytes of a token as an API names it: UTF-8, or `bytes:\xe2\x80` for a part of a character."""
    if token.startswith("bytes:") and re.fullmatch(r"bytes:(\\x[0-9a-f]{2})+", token):
        return bytes.fromhex(token.removeprefix("bytes:").replace("\\x", ""))
    return token.encode("utf-8", "surrogatepass")


def write_name(token: bytes) -> str:
    r"""Return the name of a token with these bytes, which `read_name` reads: its text where it is text of its own."""
    try:
        name = token.decode("utf-8")
    except UnicodeDecodeError:
        name = ""
    return name if name and read_name(name) == token else "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)


def is_end(token: str) -> bool:
    """Tell whether a token shows no text: nothing at all, or a control token such as `<|im_end|>` or `</s>`."""
    return _END.fullmatch(token) is not None
