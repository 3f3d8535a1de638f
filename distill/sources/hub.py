"""Hub datasets: `hf:owner/name[@revision][:split]`, through the `datasets` library. Code from the hub is never run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

from distill.errors import DataError, MissingExtraError
from distill.sources.parquet import to_row
from distill.sources.row import Row

_SOURCE = re.compile(r"hf:(?P<name>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[\w./-]+))?(?::(?P<split>\w[\w\[\]%:.-]*))?")


class HubSource(NamedTuple):
    """A dataset on the hub; `revision` None means whatever is newest."""

    name: str
    revision: str | None
    split: str


def parse_hub_source(source: str) -> HubSource:
    """Take `hf:owner/name[@revision][:split]` apart; the split is train where none is named.

    Raises:
        DataError: `source` is not of that form.
    """
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise DataError(f"{source}: expected hf:owner/name, hf:owner/name@revision or hf:owner/name@revision:split")
    return HubSource(match["name"], match["revision"], match["split"] or "train")


def read_hub(source: str) -> Iterator[Row]:
    """Yield the rows of a hub dataset; class labels come as their names.

    Raises:
        DataError: the dataset cannot be loaded.
        MissingExtraError: the `datasets` library is not installed.
    """
    hub = parse_hub_source(source)
    try:
        import datasets  # noqa: PLC0415  (two seconds; only hub sources need it)
    except ImportError as error:
        raise MissingExtraError("datasets", "train") from error
    try:
        rows = datasets.load_dataset(hub.name, revision=hub.revision, split=hub.split)
    except (OSError, ValueError, RuntimeError) as error:  # no network, no such dataset, split or revision, a script
        line = " ".join(str(error).split())[:300]
        raise DataError(
            f"{source}: cannot be loaded from the hub: {line}. With no network, download the files "
            "and name them instead: --set data.source=PATH"
        ) from error
    names = {
        column: feature.names for column, feature in rows.features.items() if isinstance(feature, datasets.ClassLabel)
    }
    for number, record in enumerate(cast("Iterator[dict[str, object]]", iter(rows)), start=1):
        yield to_row(f"{source}:{number}", _name_classes(record, names))


def _name_classes(record: Mapping[str, object], names: Mapping[str, list[str]]) -> Mapping[str, object]:
    named = {
        column: options[value]
        for column, options in names.items()
        if isinstance(value := record.get(column), int) and 0 <= value < len(options)
    }
    return {**record, **named}
