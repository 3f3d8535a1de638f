"""The teacher: who is asked, at what price. Answers are paid once and never lost; importing this costs little."""

from __future__ import annotations

from distill.teachers.budget import Budget
from distill.teachers.config import TeacherConfig
from distill.teachers.estimate import Estimate, estimate, journal_url
from distill.teachers.journal import Journal, open_journal
from distill.teachers.ledger import Ledger
from distill.teachers.lifecycle import Standing
from distill.teachers.panel import Panel, open_panel
from distill.teachers.prices import Price, find_price
from distill.teachers.protocol import Order, Progress
from distill.teachers.requests import OPENAI_URL, build_requests, provider_identity
from distill.teachers.roster import find_twin, name_teachers
from distill.teachers.session import Teacher, open_teacher

__all__ = [
    "OPENAI_URL",
    "Budget",
    "Estimate",
    "Journal",
    "Ledger",
    "Order",
    "Panel",
    "Price",
    "Progress",
    "Standing",
    "Teacher",
    "TeacherConfig",
    "build_requests",
    "estimate",
    "find_price",
    "find_twin",
    "journal_url",
    "name_teachers",
    "open_journal",
    "open_panel",
    "open_teacher",
    "provider_identity",
]
