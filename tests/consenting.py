"""Answers to a dialog, and the provider that it is about."""

from __future__ import annotations

from typing import Any

from nexconsole.actions.perform import ConfirmationReply


async def active(database: Any) -> bool:
    return await database.connection.fetchval("SELECT is_active FROM providers WHERE name = 'smsbower'")


async def ask(plan: Any, why_again: str | None) -> ConfirmationReply:
    return ConfirmationReply(text=plan.confirm.text)


async def unrecorded(why: str) -> bool:
    return False
