"""`nexconsole doctor` for `[roles]`: whether its names are known, approvals can be given, and the file is safe."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from ..doctor.check import Check
from ..errors import in_words
from ..incident.role_problems import approval_problems, unknown_names
from ..journal.accounts import account_of
from ..settings import Settings

AREA, ROLES, APPROVALS = "war room", "roles", "approvals"


def examine(settings: Settings, file: str = "") -> Iterator[Check]:
    """Nothing where everybody may everything and nothing needs approval. May take a while: a directory is asked."""
    advice = "correct it, or have an account or group of that name made; until then it names nobody here"
    unknown = unknown_names(settings)
    yield from (Check(area=AREA, what=ROLES, state="warn", said=said, advice=advice) for said in unknown)
    problems = approval_problems(settings)
    advice = "name two people at least in roles.approve, or take the action out of warroom.approval_actions"
    yield from (Check(area=AREA, what=APPROVALS, state="warn", said=said, advice=advice) for said in problems)
    if settings.roles.given and file:
        yield _file(file)
    if settings.roles.given and not unknown:
        yield Check(area=AREA, what=ROLES, state="ok", said="every account and group of [roles] is known here")
    demanded = settings.warroom.approval_actions
    if demanded and not problems:
        said = f"a second person can approve {', '.join(demanded)}"
        yield Check(area=AREA, what=APPROVALS, state="ok", said=said)


def _file(file: str) -> Check:
    """Whether only root can change who may do what."""
    what, advice = "roles file", f"chown root {file} && chmod 644 {file}, in a folder of root's"
    try:
        path = Path(file).resolve()
        found = [(place, place.stat()) for place in (path, path.parent)]
    except OSError as error:
        return Check(area=AREA, what=what, state="warn", said=f"{file}: {in_words(error)}", advice=advice)
    for place, facts in found:
        others = facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if facts.st_uid != 0 or (others and not facts.st_mode & stat.S_ISVTX):
            who = account_of(facts.st_uid) if facts.st_uid else "others than root"
            said = f"{who} can write {place} and so change the roles: they are a guard rail between honest people only"
            return Check(area=AREA, what=what, state="warn", said=said, advice=advice)
    return Check(area=AREA, what=what, state="ok", said=f"only root can write {file}")
