"""Integrity: data that is lost or in danger, and what stands open; read seldom, and from samples. (runbook, SEV-1)

Two of the three things that the runbook wakes people for. A machine sees only a part of them: what is found is
evidence, what is not found proves nothing, and people can declare either at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import JournalError, NotConfigured, SourceError
from ..journal import journal_folder, recent_files, verify
from ..model import Value, utc_now
from ..text.units import several
from . import durability, ledgers, open_routes
from .findings import LEVELS, CheckResult, Finding, IntegrityCheck, Kind, Look, Memory
from .readings import Signal

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

EVERY_S = 60.0
SYSTEMS = ("postgres", "redis", "api")
MOST_JOURNALS = 3
RUN_LENGTH = 12
SILENT = ("unreachable", "timed out")
LARGEST_JOURNAL = 4_000_000
CHANGED = frozenset({"edited", "missing", "reordered", "duplicated"})


@dataclass(frozen=True, kw_only=True)
class Integrity(Value):
    """Every look, in the order of `LOOKS`. What the next reading has to know, wallets' ids, is no part of it."""

    checks: tuple[IntegrityCheck, ...] = ()
    redis_run: str = ""  # the beginning of Redis' run id: another one is another process

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, the worst first."""
        found = (finding for check in self.checks for finding in check.findings)
        return tuple(sorted(found, key=lambda finding: LEVELS.get(finding.level, len(LEVELS))))

    def of(self, kind: Kind) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.kind == kind)


async def read(sources: Sources, settings: Settings, previous: Value | None) -> Integrity:
    """Take every look, each system's one after the other; raises when none of a system's can be taken."""
    if not any(sources.has(name) for name in SYSTEMS):
        raise NotConfigured("postgres", f"integrity needs {', '.join(SYSTEMS[:-1])} or {SYSTEMS[-1]}: set postgres.url")
    before = previous if isinstance(previous, Integrity) else Integrity()
    kept = sources.memory.get(SIGNAL.name)
    memory = kept if isinstance(kept, Memory) else Memory()
    known = {check.name: check for check in before.checks}
    groups = await asyncio.gather(*(_group(names, known, sources, settings, memory) for names in GROUPS))
    checks: list[IntegrityCheck] = []
    errors: list[SourceError | None] = []
    for names, (integrity_checks, after, failed) in zip(GROUPS, groups, strict=True):
        checks += integrity_checks
        errors += failed
        memory = replace(memory, **{name: getattr(after, name) for name in KEPT[names[0]]})
    sources.memory[SIGNAL.name] = memory
    asked = [error for error in errors if error is not None]
    if asked and not any(
        check.at != known.get(check.name, IntegrityCheck(name="")).at for check in checks if check.name != "journals"
    ):
        raise min(asked, key=lambda error: isinstance(error, NotConfigured))
    notes = [f"{several(len(asked), 'look')} can't be taken: {asked[0]}"] if asked else []
    run = memory.redis.run_id[:RUN_LENGTH] if memory.redis is not None else ""
    return Integrity(source="samples", notes=tuple(notes), checks=tuple(checks), redis_run=run)


async def _group(
    names: Sequence[str], known: dict[str, IntegrityCheck], sources: Sources, settings: Settings, memory: Memory
) -> tuple[list[IntegrityCheck], Memory, list[SourceError | None]]:
    """The looks at one system. A look that can't be taken keeps what it found before."""
    checks: list[IntegrityCheck] = []
    errors: list[SourceError | None] = []
    silent: SourceError | None = None
    for name in names:
        now = utc_now()
        before = known.get(name, IntegrityCheck(name=name))
        try:
            if silent is not None:
                raise silent  # the same system: it is not waited for once more
            looked = await LOOKS[name](sources, settings, memory, now)
        except SourceError as error:
            checks.append(replace(before, error=str(error)))
            errors.append(error)
            silent = error if error.kind in SILENT else None
            continue
        errors.append(None)
        if looked is None:
            checks.append(replace(before, error=""))
            continue
        memory = looked.memory
        checks.append(IntegrityCheck(name=name, at=now, said=looked.said, findings=looked.findings))
    return checks, memory, errors


async def journals(sources: Sources, settings: Settings, memory: Memory, now: datetime) -> CheckResult:
    """The newest incidents' journals: whether they still say what was written."""
    try:
        found, seen = await asyncio.to_thread(_verified, journal_folder(settings), dict(memory.journals))
    except JournalError as error:
        raise SourceError("journal", str(error)) from error
    findings = tuple(
        Finding(
            kind="security", level="SEV-2", text=f"the journal {name} is not what was written: {said}",
            advice="nexconsole journal verify; whoever can write in its folder can do this",
        )
        for name, said in found.items() if said
    )  # fmt: skip
    return CheckResult(said=several(len(found), "journal"), findings=findings, memory=replace(memory, journals=seen))


def _verified(folder: Path, before: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(what is wrong by the file's name, "" for nothing; the same with the file's size and time, for the next look)."""
    files = [file for file in recent_files(folder, datetime.fromtimestamp(0, UTC)) if file.suffix == ".jsonl"]
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    for file in files[-MOST_JOURNALS:]:
        try:
            stat = file.stat()
        except OSError:
            continue
        if stat.st_size > LARGEST_JOURNAL:
            continue
        mark = f"{stat.st_size} {stat.st_mtime_ns} "
        said = before.get(file.name, "")
        if not said.startswith(mark):
            try:
                wrong = [problem for problem in verify(file) if problem.what in CHANGED]
            except JournalError:  # one that can't be read hides nothing of the others; consoles and doctor name it
                continue
            said = mark + (f"line {wrong[0].line}: {wrong[0].sentence}" if wrong else "")
        seen[file.name], found[file.name] = said, said.removeprefix(mark)
    return found, seen


LOOKS: dict[str, Look] = {
    "wallets": ledgers.wallets,
    "transactions": ledgers.transactions,
    "refunds": ledgers.refunds,
    "postgres": durability.postgres,
    "redis": durability.redis,
    "routes": open_routes.routes,
    "journals": journals,
}
GROUPS = (("wallets", "transactions", "refunds", "postgres"), ("redis",), ("routes",), ("journals",))
KEPT = {
    "wallets": ("bad", "drifts", "moved", "primary"),
    "redis": ("redis",),
    "routes": ("routes_at",),
    "journals": ("journals",),
}
SIGNAL = Signal(name="integrity", read=read, every=EVERY_S, timeout=20.0)
