"""Channels: `channels` moves them, `entry` has the chain, `lines` and `remote` keep it, `depot` has the files."""

from distill.engine.channels.channels import (
    Channels,
    ChannelState,
    find_rollback_goal,
    find_state,
    is_url,
    open_lines,
    utc_now,
)
from distill.engine.channels.depot import Depot, hash_files
from distill.engine.channels.entry import (
    GENESIS,
    MOVES,
    SCHEMA,
    Action,
    ChainCheck,
    ChannelEntry,
    describe_entry,
    parse_chain,
    parse_entry,
    write_entry,
)

__all__ = [
    "GENESIS",
    "MOVES",
    "SCHEMA",
    "Action",
    "ChainCheck",
    "ChannelEntry",
    "ChannelState",
    "Channels",
    "Depot",
    "describe_entry",
    "find_rollback_goal",
    "find_state",
    "hash_files",
    "is_url",
    "open_lines",
    "parse_chain",
    "parse_entry",
    "utc_now",
    "write_entry",
]
