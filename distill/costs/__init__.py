"""What a run cost, what serving costs, and when it pays back."""

from distill.costs.breakeven import Band, BreakEven
from distill.costs.build import build_costs
from distill.costs.cascade import CascadePoint, cascade_curve
from distill.costs.config import CostsConfig, ServingCostConfig, TrainingCostConfig
from distill.costs.inputs import CostInputs, HeldoutRow, rows_from_predictions
from distill.costs.ledger import LedgerEntry, TeacherLedger, TokenPrice, price_tokens
from distill.costs.model import Costs
from distill.costs.serving import cascade_cost_per_1k_usd, cost_per_success_usd, student_cost_per_1k_usd

__all__ = [
    "Band",
    "BreakEven",
    "CascadePoint",
    "CostInputs",
    "Costs",
    "CostsConfig",
    "HeldoutRow",
    "LedgerEntry",
    "ServingCostConfig",
    "TeacherLedger",
    "TokenPrice",
    "TrainingCostConfig",
    "build_costs",
    "cascade_cost_per_1k_usd",
    "cascade_curve",
    "cost_per_success_usd",
    "price_tokens",
    "rows_from_predictions",
    "student_cost_per_1k_usd",
]
