"""Who may do what, by `[roles]` of the settings: judged for this console's person and for whoever wrote an entry."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from ..journal import Entry, Proof, Writer
from ..journal.accounts import in_group
from ..settings import RoleSettings
from ..settings.roles import NEEDS, Capability, RoleName, role_name
from ..text.sanitize import clean

KNOWN_S = 60.0  # for so long a group's members are taken to be those that they were
MOST_NAMED = 6  # names in a sentence


@dataclass(frozen=True, kw_only=True)
class WriterIdentity:
    """Who writes: the account on its host, and the key that is proved to have signed ("" for none). `signed_as`: whose
    key that is, where several people share the account. `label`: what the operator is called, which proves nothing."""

    account: str
    host: str
    key: str = ""
    label: str = ""
    signed_as: str = ""

    @property
    def key_owner(self) -> str:
        """Whose the key is. One person may have several."""
        return self.signed_as or self.account


def author(entry: Entry) -> WriterIdentity:
    """Whom an entry is by. A key counts only where its signature was verified."""
    signed = entry.proof is Proof.SIGNED
    who = author_of(entry.writer, entry.signer if signed else "")
    return replace(who, signed_as=entry.signed_as) if signed else who


def author_of(writer: Writer, key: str = "", shared: Collection[str] = ()) -> WriterIdentity:
    """`shared`: the accounts that several people use (identity.shared_accounts)."""
    signed_as = clean(writer.operator, 100) if key and writer.account in shared else ""
    return WriterIdentity(account=writer.account, host=writer.host, key=key, label=writer.operator, signed_as=signed_as)


def another(one: WriterIdentity, other: WriterIdentity) -> bool:
    """Whether these are two persons: two keys of two owners where both have signed, else two accounts, on whatever
    hosts. The operators' own names count only where neither account is on record (entries of earlier versions).
    """
    if one.key and other.key:
        return one.key != other.key and one.key_owner != other.key_owner
    if one.account or other.account:
        return bool(one.account and other.account) and one.account != other.account
    return one.label != other.label


class Permissions:
    """What `[roles]` allows. Groups are looked up on this host: by `learn`, off the event loop, else when asked."""

    def __init__(self, roles: RoleSettings) -> None:
        self._roles = roles
        self._lists = {capability: tuple(map(role_name, roles.names(capability))) for capability in Capability}
        self._members: dict[tuple[str, str], tuple[bool, float]] = {}  # (account, group) -> whether, and when it was so
        self.open = not roles.given  # everybody may do everything

    def allows(self, capability: Capability, person: WriterIdentity) -> bool:
        """Whether this person may: named for it, or for something that needs it."""
        if self.open:
            return True
        if capability is Capability.JOIN:  # who may look is seen by the others
            return self.allows(Capability.LOOK, person)
        listed = self._lists[capability]
        if listed[0].kind == "everybody":
            return capability not in NEEDS or self.allows(NEEDS[capability], person)
        return self._named(listed, person) or any(
            needed is capability and self._lists[more][0].kind != "everybody" and self.allows(more, person)
            for more, needed in NEEDS.items()
        )

    def learn(self, accounts: Iterable[str]) -> None:
        """Look up the groups of these accounts, where that is not known or old. May take a while."""
        groups = {name.name for names in self._lists.values() for name in names if name.kind == "group"}
        for account in accounts:
            for group in groups:
                if time.monotonic() - self._members.get((account, group), (False, float("-inf")))[1] > KNOWN_S:
                    self._members[account, group] = in_group(account, group), time.monotonic()

    def who(self, capability: Capability) -> str:
        """Who may, in words: `maria, group:oncall`."""
        names = self._roles.names(capability)
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        return f"{', '.join(names[:MOST_NAMED])}{more}"

    def why_not(self, capability: Capability, person: WriterIdentity) -> str | None:
        """One sentence on who may, None where this person may."""
        if self.allows(capability, person):
            return None
        lacking: Capability = Capability.LOOK if capability is Capability.JOIN else capability
        while self._lists[lacking][0].kind == "everybody":  # what it needs is kept from this person
            lacking = NEEDS[lacking]
        listed = self._lists[lacking]
        who = "nobody" if listed[0].kind == "nobody" else f"only {self.who(lacking)}"
        return f"{who} may {VERBS[lacking]} (roles.{lacking} in the settings); you are {person.account or 'not known'}"

    def _named(self, listed: tuple[RoleName, ...], person: WriterIdentity) -> bool:
        return any(self._means(name, person) for name in listed)

    def _means(self, name: RoleName, person: WriterIdentity) -> bool:
        if name.kind == "key":
            return bool(person.key) and person.key == name.name
        if not person.account:
            return False
        if name.kind == "group":
            return self._in_group(person.account, name.name)
        return name.kind == "account" and name.name == person.account and name.host in ("", person.host)

    def _in_group(self, account: str, group: str) -> bool:
        if (account, group) not in self._members:
            self.learn((account,))
        return self._members[account, group][0]


VERBS = {
    Capability.LOOK: "look",
    Capability.NOTE: "write to the journal",
    Capability.PROPOSE: "have actions proposed",
    Capability.ACT: "act",
    Capability.APPROVE: "approve",
    Capability.COMMAND: "declare a severity, give roles or close an incident",
}
