"""Consoles of several accounts in one process: each operator of a test has the account that is called like him."""

from __future__ import annotations

import msgspec

from nexconsole.journal import Writer


def account_by_name(here=Writer.here):
    """`Writer.here`, for which the account is the operator's own; what the kernel says is tried by tests of its own."""

    def by_name(operator: str) -> Writer:
        return msgspec.structs.replace(here(operator), account=operator.partition("@")[0])

    return staticmethod(by_name)
