"""What a journal must offer: one transaction of writes, and reads. All SQL stays behind this line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

from distill.records.completion import TeacherRequest, Usage
from distill.records.json import Json

State = Literal["intended", "answered", "failed"]
PERMANENT_KINDS = frozenset({"content_filter"})
"""Failures that asking again cannot cure; the journal gives them back instead of sending again."""


class Intent(NamedTuple):
    """A wish to buy the answer with this key."""

    key: str
    sample: int
    request: TeacherRequest


class Attempt(NamedTuple):
    """One call that went out, however it ended. `error_kind` is None for the one that brought the answer."""

    key: str
    started: float
    latency_ms: float
    status: int | None
    error_kind: str | None
    error: str | None
    cost_usd: float | None
    provider_request_id: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The raw reply as it came (keys redacted), with what the provider said about it."""

    key: str
    raw: bytes
    model_served: str
    provider_request_id: str | None
    system_fingerprint: str | None
    usage: Usage
    cost_usd: float | None
    latency_ms: float
    attempts: int
    batch: bool = False
    shape_sent: str | None = None
    """The response format that was sent, where the server refused the one of the request."""


class Failure(NamedTuple):
    """The end of an order without an answer."""

    key: str
    error_kind: str
    error: str
    attempts: int


class Release(NamedTuple):
    """Give back claims that were not used."""

    keys: tuple[str, ...]


class Note(NamedTuple):
    """A named fact that must survive a restart, such as the id of a batch under way; None forgets it."""

    name: str
    value: str | None


class Swap(NamedTuple):
    """A named fact put in the place of another by whoever still finds `old` there: of several, one is `claimed`."""

    name: str
    old: str
    new: str


class Spend(NamedTuple):
    """Dollars that went out of a purse, stored with the attempt that cost them; less than 0 takes a booking back."""

    purse: str
    usd: float


class Draw(NamedTuple):
    """A wish to set money of a purse aside: at least `least_usd`, at most `most_usd`, within `limit_usd` for everybody.

    `holding_usd` is what this owner has to keep for calls under way; what it held beyond that goes back first.
    """

    purse: str
    limit_usd: float
    least_usd: float
    most_usd: float
    holding_usd: float


class Grant(NamedTuple):
    """What a Draw brought (0: it does not fit), what is gone from the purse, and what others at work hold of it.

    What a killed process held counts as gone: nobody knows which of its calls were billed.
    """

    usd: float
    gone_usd: float
    elsewhere_usd: float


class PurseState(NamedTuple):
    """What was spent of a purse, and what is held of it by those who are (or, killed, were) at work."""

    spent_usd: float
    held_usd: float


class Flight(NamedTuple):
    """How many calls of a purchase of this owner may be under way from now on, at most; 0 when it has ended."""

    purchase: str
    calls: int


Write: TypeAlias = Intent | Attempt | Answer | Failure | Release | Note | Swap | Flight | Spend | Draw
Claim = Literal["claimed", "held"]
Result: TypeAlias = "Claim | Entry | Grant | None"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal holds of one key that needs no more buying."""

    key: str
    answer: Answer | None
    failure: Failure | None


class Record(NamedTuple):
    """All that is stored of one request: what another journal needs to take it over. Times in seconds since 1970."""

    intent: Intent
    state: State
    created: float
    updated: float
    error_kind: str | None
    error: str | None
    tries: int
    answer: Answer | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class JournalStats:
    """Totals over the whole journal. `unsettled` are intents whose fate is unknown (a crash cut them off).

    `outcome_unknown` bounds the calls that were under way when a process was killed: each may have been paid, and
    neither `attempts` nor `wasted_usd` has it.
    """

    answered: int
    failed: int
    unsettled: int
    outcome_unknown: int
    attempts: int
    attempts_by_error: Mapping[str, int]
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usd: float
    wasted_usd: float
    by_model: Mapping[str, int]


class Journal(Protocol):
    """Every teacher call, paid once. Shared by threads (one writer at a time) and by processes."""

    def apply(self, writes: Sequence[Write], *, durable: bool = True) -> list[Result]:
        """Carry out writes in one transaction.

        An Intent gives a Claim or the Entry there is, a Swap a Claim, a Draw a Grant.

        A killed process loses nothing that was applied. What is not `durable` may be lost by a power cut until `sync`.

        Raises:
            StoreError: the journal is damaged, or cannot be written.
        """
        ...

    def sync(self) -> None:
        """Make all that was applied before the call durable; another thread may apply meanwhile.

        Raises:
            StoreError: the disk did not take it, now or before.
        """
        ...

    def beat(self) -> None:
        """Renew the lease of this process's claims.

        Raises:
            StoreError: the journal cannot be written.
        """
        ...

    def lookup(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Return the entries of `keys` that need no more buying.

        Raises:
            StoreError: the journal cannot be read.
        """
        ...

    def note(self, name: str) -> str | None:
        """Return a named fact, or None.

        Raises:
            StoreError: the journal cannot be read.
        """
        ...

    def notes(self, prefix: str) -> dict[str, str]:
        """Return the facts whose names begin with `prefix`, in order of name.

        Raises:
            StoreError: the journal cannot be read.
        """
        ...

    def purse(self, name: str) -> PurseState:
        """Return what was spent and is held of a purse.

        Raises:
            StoreError: the journal cannot be read.
        """
        ...

    def take_lost_calls(self) -> int:
        """Count the calls under way in killed processes that this owner was the first to find since it last asked.

        Raises:
            StoreError: the journal cannot be read.
        """
        ...

    def verify(self) -> list[str]:
        """Return everything that is wrong with the journal, in words; empty when whole.

        Raises:
            StoreError: the journal cannot be read.
        """
        ...

    def stats(self) -> JournalStats:
        """Return the totals.

        Raises:
            StoreError: the journal cannot be read.
        """
        ...

    def export(self) -> Iterator[dict[str, Json]]:
        """Yield every request with its state, answer and attempts, in order of key.

        Raises:
            StoreError: the journal cannot be read.
        """
        ...

    def records(self) -> Iterator[Record]:
        """Yield all that is stored of every request, in order of key.

        Raises:
            StoreError: the journal cannot be read, or a row is damaged.
        """
        ...

    def adopt(self, records: Sequence[Record]) -> int:
        """Take over another journal's records in one transaction; return how many answers were new here.

        An answer that is here stays; adopting the same records twice changes nothing.

        Raises:
            StoreError: the journal cannot be written.
        """
        ...

    def workers(self) -> int:
        """Count the other processes that may be at work on this journal.

        Raises:
            StoreError: the journal cannot be read.
        """
        ...

    def close(self) -> None:
        """Give back every claim of this process and close. Closing twice is fine."""
        ...
