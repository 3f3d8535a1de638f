"""`distill schema`: what editors and readers of tables need."""

from __future__ import annotations

import click

from distill.cli.options import print_json


@click.command()
@click.option("--tables", is_flag=True, help="Schemas of the Parquet tables instead.")
def command(*, tables: bool) -> int:
    """Print the JSON Schema of the config (for yaml-language-server), or with --tables the tables' schemas."""
    if tables:
        from distill.records.tables import TABLES

        print_json(
            {
                name: [
                    {
                        "name": field.name,
                        "type": str(field.type),
                        "doc": (field.metadata or {}).get(b"doc", b"").decode(),
                    }
                    for field in schema
                ]
                for name, schema in TABLES.items()
            }
        )
        return 0
    from distill.config import json_schema

    print_json(json_schema())
    return 0
