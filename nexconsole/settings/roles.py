"""`[roles]`: who may look, note, propose, act, approve and command, by account, group or key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ..text.suggestions import did_you_mean
from .table import SettingsTable

EVERYBODY, NOBODY = "everybody", "nobody"
GROUP, KEY = "group", "key"
LONGEST, MOST = 200, 500  # characters of a name; names in one list
ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\\$-]*")
HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
FORMS = 'expected "maria", "maria@host", "group:oncall", "key:SHA256:…", "everybody" or "nobody"'


class Capability(StrEnum):
    """look: see what is read and recorded; join: be seen by others, keep the sheet and the recording; note: write
    entries, open an incident; propose: ask the people in the room for an action; act: execute actions; approve: give a
    second person's approval; command: declare the severity, give roles to others, close an incident."""

    LOOK = "look"
    JOIN = "join"
    NOTE = "note"
    PROPOSE = "propose"
    ACT = "act"
    APPROVE = "approve"
    COMMAND = "command"


class RoleSettings(SettingsTable):
    """Who may do what. Each list holds accounts ("maria"; "maria@host" for one host), Unix groups ("group:oncall") and
    fingerprints of SSH keys ("key:SHA256:…"), or the word "everybody" or "nobody". Whoever may propose, act, approve or
    command may note and look too. It holds where the settings' file belongs to root: who can write it can change it."""

    look: tuple[str, ...] = (EVERYBODY,)  # see anything at all: another account's console does not start
    note: tuple[str, ...] = (EVERYBODY,)  # write notes and steps, open an incident, object
    propose: tuple[str, ...] = (EVERYBODY,)  # have an agent propose an action
    act: tuple[str, ...] = (EVERYBODY,)  # execute actions
    approve: tuple[str, ...] = (EVERYBODY,)  # be the second person of warroom.approval_actions
    command: tuple[str, ...] = (EVERYBODY,)  # declare a severity, give roles to others, close an incident

    def __post_init__(self) -> None:
        for key in self.__struct_fields__:
            if (names := getattr(self, key)) != (EVERYBODY,):
                _check(key, names)

    def names(self, capability: Capability) -> tuple[str, ...]:
        """As they are written."""
        listed: tuple[str, ...] = getattr(self, "look" if capability is Capability.JOIN else capability)
        return listed

    @property
    def given(self) -> bool:
        """Whether anything is kept from anybody."""
        return self != RoleSettings()


NEEDS = {  # what else it takes to make use of it
    Capability.NOTE: Capability.LOOK,
    Capability.PROPOSE: Capability.NOTE,
    Capability.ACT: Capability.NOTE,
    Capability.APPROVE: Capability.NOTE,
    Capability.COMMAND: Capability.NOTE,
}


@dataclass(frozen=True, kw_only=True)
class RoleName:
    """One name of a list. `host`: only there, "" for everywhere."""

    kind: Literal["account", "group", "key", "everybody", "nobody"]
    name: str = ""
    host: str = ""


def role_name(text: str) -> RoleName:
    """What a name of a list means. Raises ValueError with what is wrong."""
    if text == EVERYBODY:
        return RoleName(kind="everybody")
    if text == NOBODY:
        return RoleName(kind="nobody")
    if len(text) > LONGEST:
        raise ValueError(f"a name is longer than {LONGEST} characters")
    kind, colon, rest = text.partition(":")
    if colon and kind not in (GROUP, KEY):
        raise ValueError(f"{text!r}: {FORMS}{did_you_mean(kind, (GROUP, KEY))}")
    if kind == KEY and colon:
        if not FINGERPRINT.fullmatch(rest):
            raise ValueError(f"{text!r}: a key is named by its fingerprint, as ssh-keygen -lf KEY.pub prints it")
        return RoleName(kind="key", name=rest)
    if kind == GROUP and colon:
        if not ACCOUNT.fullmatch(rest):
            raise ValueError(f"{text!r}: no name of a group: {FORMS}")
        return RoleName(kind="group", name=rest)
    name, at, host = text.partition("@")
    if not ACCOUNT.fullmatch(name) or (at and not HOST.fullmatch(host)):
        raise ValueError(f"{text!r}: no name of an account: {FORMS}")
    return RoleName(kind="account", name=name, host=host)


def _check(key: str, names: tuple[str, ...]) -> None:
    """Raises ValueError where a list says nothing, or a name in it nothing that is known."""
    if not names:
        raise ValueError(f'{key}: the list is empty: leave it out for everybody, or write ["{NOBODY}"]')
    if len(names) > MOST:
        raise ValueError(f"{key}: {len(names)} names; at most {MOST} are read: name a group")
    for text in names:
        try:
            parsed = role_name(text)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error
        if parsed.kind in (EVERYBODY, NOBODY) and len(names) > 1:
            raise ValueError(f"{key}: {text!r} stands alone, without other names")
