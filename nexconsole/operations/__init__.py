"""The operator's side of acting, without a widget: the record, what is under way here and elsewhere, who may act."""

from .operation import Operation, StepRef
from .operations import Operations

__all__ = ["Operation", "Operations", "StepRef"]
