"""What people read: the report of a run, comparisons of runs, evidence. Reads values, never files."""

from distill.reports.compare import RunSummary, comparison_csv, render_comparison, runs_table
from distill.reports.from_tables import answer_rows, calibration_of, confusion_of
from distill.reports.model import (
    AnswerRow,
    AskedAgain,
    Calibration,
    CalibrationBin,
    Confusion,
    CurvePoint,
    DroppedSample,
    Funnel,
    FunnelStep,
    LearningCurve,
    Lineage,
    Look,
    ReportData,
    RunFacts,
    SplitAudit,
    StageFacts,
    SystemScore,
    TrainingPoint,
)
from distill.reports.render import render_report

__all__ = [
    "AnswerRow",
    "AskedAgain",
    "Calibration",
    "CalibrationBin",
    "Confusion",
    "CurvePoint",
    "DroppedSample",
    "Funnel",
    "FunnelStep",
    "LearningCurve",
    "Lineage",
    "Look",
    "ReportData",
    "RunFacts",
    "RunSummary",
    "SplitAudit",
    "StageFacts",
    "SystemScore",
    "TrainingPoint",
    "answer_rows",
    "calibration_of",
    "comparison_csv",
    "confusion_of",
    "render_comparison",
    "render_report",
    "runs_table",
]
