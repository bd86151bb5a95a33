"""From which age on a purchase under way takes longer than purchases usually do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..settings import TransactionRules

TIMES_USUAL = 3.0  # so many times the usual 95th percentile a purchase may take before it is overdue
LONGEST_S = 120.0  # and never longer: what was slow for half an hour is no measure of what is right


def overdue_after(usual_p95_s: float | None, rules: TransactionRules) -> float:
    """From which age on an undecided purchase has taken longer than purchases usually do, in seconds."""
    return min(max(rules.overdue_s, TIMES_USUAL * (usual_p95_s or 0.0)), max(rules.overdue_s, LONGEST_S))
