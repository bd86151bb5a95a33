"""What is wrong with `[roles]` and with what needs approval, as far as this host can tell: a sentence each."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from ..actions.registry import ACTIONS
from ..journal.accounts import exists, members_of
from ..settings import Settings
from ..settings.roles import Capability, role_name
from ..text.suggestions import did_you_mean
from .permissions import Permissions

MOST = 20  # sentences of one kind


def unknown_names(settings: Settings) -> tuple[str, ...]:
    """Groups and accounts that this host does not know. May take a while: a directory is asked."""
    return tuple(_unknown_names(settings))[:MOST]


def _unknown_names(settings: Settings) -> Iterator[str]:
    here = socket.gethostname()
    for key in settings.roles.__struct_fields__:
        for text in getattr(settings.roles, key):
            name = role_name(text)
            if name.kind == "group" and (members := members_of(name.name)) is None:
                yield f"roles.{key}: there is no group {name.name} on this host: it names nobody"
            elif name.kind == "group" and not members:
                yield f"roles.{key}: the group {name.name} names no members on this host"
            elif name.kind == "account" and name.host in ("", here) and not exists(name.name):
                yield f"roles.{key}: there is no account {name.name} on this host"


def approval_problems(settings: Settings) -> tuple[str, ...]:
    """Why approvals that are demanded can't be given, or are not demanded at all."""
    return tuple(_approval_problems(settings))


def _approval_problems(settings: Settings) -> Iterator[str]:
    demanded = settings.warroom.approval_actions
    for action in demanded:
        if action not in ACTIONS:
            yield f"warroom.approval_actions: there is no action {action}{did_you_mean(action, ACTIONS)}"
    if not demanded:
        return
    if not settings.warroom.approval_s:
        yield "warroom.approval_actions demands approvals, but warroom.approval_s is 0: nobody is asked"
        return
    names = _may(settings, Capability.APPROVE)
    if names is None or len(names) > 1:
        return
    glass = "takes breaking glass"
    if not names:
        yield f"nobody may approve (roles.approve), but warroom.approval_actions demands approvals: each action {glass}"
    else:
        yield f"only {names[0]} may approve (roles.approve): what needs an approval and {names[0]} does, {glass}"


def _may(settings: Settings, capability: Capability) -> list[str] | None:
    """Who may, by name; None where that can't be listed, as for everybody."""
    if Permissions(settings.roles).open:
        return None
    found: set[str] = set()
    for text in settings.roles.names(capability):
        name = role_name(text)
        if name.kind == "everybody":
            return None
        if name.kind == "group":
            found.update(members_of(name.name) or ())
        elif name.kind != "nobody":
            found.add(name.name)
    return sorted(found)
