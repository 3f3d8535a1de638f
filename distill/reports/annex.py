"""The headings of Annex IV of Regulation (EU) 2024/1689 (AI Act) as a form: what a run knows, and what it does not.

The wording of the headings is shortened from the Annex; the numbers are the Annex's own. A field nobody filled is
never left out: it says that it is empty and what a person has to supply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EMPTY = "Empty"


@dataclass(frozen=True, slots=True)
class Heading:
    """One point of the Annex. `supply` is what a person has to add, whatever the run knows."""

    number: str
    title: str
    supply: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing the run knows, with the file it was read from."""

    name: str
    value: str
    source: str


HEADINGS: tuple[Heading, ...] = (
    Heading(
        "1(a)",
        "Intended purpose, provider, version",
        "the intended purpose in your words, and the provider's name",
    ),
    Heading(
        "1(b)",
        "Interaction with other hardware or software",
        "the systems that call this one",
    ),
    Heading(
        "1(c)",
        "Versions of relevant software or firmware",
        "software outside this pipeline",
    ),
    Heading(
        "1(d)",
        "Forms in which it is placed on the market or put into service",
        "how it is delivered to deployers",
    ),
    Heading(
        "1(e)",
        "Hardware on which it is intended to run",
        "the production hardware",
    ),
    Heading(
        "1(f)",
        "Photographs or illustrations, where it is part of a product",
        "pictures of the product, if any",
    ),
    Heading(
        "1(g)",
        "User interface provided to the deployer",
        "the interface, if there is one beside the API",
    ),
    Heading(
        "1(h)",
        "Instructions for use for the deployer",
        "instructions for use",
    ),
    Heading(
        "2(a)",
        "Methods and steps of development, third-party systems and tools",
        "agreements with third parties",
    ),
    Heading(
        "2(b)",
        "Design specifications: logic, key choices, what it optimises, trade-offs",
        "the reasons for the choices",
    ),
    Heading(
        "2(c)",
        "System architecture and computational resources",
        "the surrounding architecture",
    ),
    Heading(
        "2(d)",
        "Data: provenance, scope, selection, labelling, cleaning",
        "how the inputs were collected, and on which legal ground",
    ),
    Heading(
        "2(e)",
        "Human oversight measures needed (Article 14)",
        "who oversees, and how they can intervene",
    ),
    Heading(
        "2(f)",
        "Pre-determined changes",
        "changes foreseen, and how conformity is kept",
    ),
    Heading(
        "2(g)",
        "Validation and testing: data, metrics, discriminatory impact, reports",
        "a signature of the persons responsible",
    ),
    Heading(
        "2(h)",
        "Cybersecurity measures",
        "the measures around the deployment",
    ),
    Heading(
        "3",
        "Capabilities and limitations, accuracy for groups, foreseeable risks, input specifications",
        "foreseeable risks to health, safety and fundamental rights",
    ),
    Heading(
        "4",
        "Appropriateness of the performance metrics",
        "why these metrics fit the purpose",
    ),
    Heading(
        "5",
        "Risk management system (Article 9)",
        "the risk management file",
    ),
    Heading(
        "6",
        "Relevant changes through the lifecycle",
        "changes made outside this pipeline",
    ),
    Heading(
        "7",
        "Harmonised standards applied",
        "the list of standards",
    ),
    Heading(
        "8",
        "EU declaration of conformity (Article 47)",
        "a copy of the declaration",
    ),
    Heading(
        "9",
        "Post-market monitoring (Article 72)",
        "the post-market monitoring plan",
    ),
)
"""The points of Annex IV in their order."""


def is_empty(number: str, facts: Mapping[str, Sequence[Fact]]) -> bool:
    """Tell whether the run knows nothing for a point."""
    return not facts.get(number)


def render_annex(title: str, intro: Sequence[str], facts: Mapping[str, Sequence[Fact]]) -> str:
    """Return the technical documentation as Markdown, every heading in order, empty ones said to be empty.

    Raises:
        ValueError: facts are given for a number that the Annex does not have.
    """
    unknown = sorted(set(facts) - {heading.number for heading in HEADINGS})
    if unknown:
        raise ValueError(f"Annex IV has no point {', '.join(unknown)}")
    lines = [f"# {title}", "", *intro, ""]
    for heading in HEADINGS:
        lines += [f"## {heading.number} {heading.title}", "", *_body(heading, facts.get(heading.number, ())), ""]
    return "\n".join(lines)


def _body(heading: Heading, facts: Sequence[Fact]) -> list[str]:
    if not facts:
        return [f"**{EMPTY}.** The run knows nothing here. To be supplied: {heading.supply}."]
    rows = [f"| {_cell(fact.name)} | {_cell(fact.value)} | {_cell(fact.source)} |" for fact in facts]
    return ["| what | value | read from |", "|---|---|---|", *rows, "", f"Still to be supplied: {heading.supply}."]


def _cell(text: str) -> str:
    """Keep a value inside its cell: text from configs and teachers cannot end the table or start markup."""
    flat = " ".join(text.split())
    for mark, safe in (
        ("\\", "\\\\"),
        ("|", "\\|"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("`", "\\`"),
        ("[", "\\["),
        ("*", "\\*"),
    ):
        flat = flat.replace(mark, safe)
    return flat


def annex_json(facts: Mapping[str, Sequence[Fact]]) -> list[dict[str, object]]:
    """Return the same form for machines."""
    return [
        {
            "number": heading.number,
            "title": heading.title,
            "is_empty": is_empty(heading.number, facts),
            "facts": [{"name": f.name, "value": f.value, "source": f.source} for f in facts.get(heading.number, ())],
            "to_be_supplied": heading.supply,
        }
        for heading in HEADINGS
    ]
