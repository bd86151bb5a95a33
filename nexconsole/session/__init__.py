"""The operator's side of acting, without a widget: the record, what is under way here and elsewhere, who may act."""

from ..journal.accounts import own_account
from .operation import Operation, StepRef
from .session import Session

__all__ = ["Operation", "Session", "StepRef"]

own_account()  # once, and here: this is imported beside the loop, and a directory service may take its time
