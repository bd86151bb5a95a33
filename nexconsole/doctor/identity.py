"""What proves who writes here: the key that signs, and the file that says whose keys are whose."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from ..errors import JournalError
from ..journal.accounts import own_account
from ..journal.signatures import SigningError, chosen_key, claimed_key, matches, read_signers, sign
from ..journal.signing import Signer
from ..settings import Settings
from ..text.units import several
from .check import Check

AREA = "identity"


def examine(settings: Settings) -> list[Check]:
    """Blocks for the SSH agent, up to the time-out of a signature."""
    return list(_checks(settings))


def _checks(settings: Settings) -> Iterator[Check]:
    chosen = settings.identity
    if settings.warroom.approval_actions and settings.warroom.redis_url and not chosen.require_signatures:
        said = "whoever can write to the war room's Redis can approve as an account of another host"
        advice = "demand signatures: identity.require_signatures, identity.allowed_signers"
        yield Check(area=AREA, what="approvals", state="warn", said=said, advice=advice)
    if Signer.of(settings) is None:
        said = f"entries are {own_account()}'s by their file's owner; nothing is signed"
        advice = "between hosts: set identity.allowed_signers (README, Working together)"
        yield Check(area=AREA, what="signing", state="absent", said=said, advice=advice)
        return
    yield _signing(settings)
    if chosen.allowed_signers:
        yield _signers(Path(chosen.allowed_signers).expanduser())
    elif chosen.require_signatures:
        said = "signatures are demanded, and no file says whose keys are whose: nobody else's entry counts"
        yield Check(area=AREA, what="allowed signers", state="fail", said=said, advice="set identity.allowed_signers")


def _signing(settings: Settings) -> Check:
    """Whether the key signs: tried, for an agent may list a key that it does not use."""
    chosen = settings.identity
    demanded = chosen.require_signatures or chosen.sign == "always"
    try:
        key = chosen_key(chosen.key, chosen.sign_timeout_s)
        found = claimed_key(sign(b"nexconsole doctor", key, chosen.sign_timeout_s))
    except SigningError as error:
        state = "fail" if demanded else "warn"
        advice = "nothing can be written here until it signs" if demanded else "entries are written unsigned until then"
        return Check(area=AREA, what="signing", state=state, said=str(error), advice=advice)
    if found is None or found.fingerprint != key.fingerprint:
        said = f"the agent signs by another key than {key.fingerprint}"
        return Check(area=AREA, what="signing", state="fail", said=said, advice="set identity.key")
    said = f"entries are signed by {key.fingerprint}"
    if not chosen.allowed_signers:
        return Check(area=AREA, what="signing", state="ok", said=said)
    try:
        lines = read_signers(Path(chosen.allowed_signers).expanduser()).lines_for(found)
    except JournalError:  # said by the next check
        return Check(area=AREA, what="signing", state="ok", said=said)
    names = {own_account(), *([settings.operator.partition("@")[0]] if own_account() in chosen.shared_accounts else ())}
    wanted = names | {f"{name}@{socket.gethostname()}" for name in names}
    if any(matches(principals, name) for principals, _ in lines for name in wanted):
        return Check(area=AREA, what="signing", state="ok", said=said)
    advice = f"add a line `{own_account()}@HOST {' '.join(key.line.split()[:2])}` to {chosen.allowed_signers}"
    said = f"{said}, which the allowed signers do not have for {own_account()}"
    return Check(area=AREA, what="signing", state="warn", said=said, advice=advice)


def _signers(file: Path) -> Check:
    try:
        signers = read_signers(file)
    except JournalError as error:
        advice = "until it can be trusted no signature is checked"
        return Check(area=AREA, what="allowed signers", state="fail", said=str(error), advice=advice)
    said = f"{file}: {several(len(signers.lines), 'line')}"
    if not signers.lines:
        return Check(area=AREA, what="allowed signers", state="warn", said=said, advice="add a line for each key")
    return Check(area=AREA, what="allowed signers", state="ok", said=said)
