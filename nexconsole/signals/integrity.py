"""Integrity: lost or endangered data and open routes, from samples at a slow cadence. (runbook, SEV-1)

These are two of the runbook's three SEV-1 reasons. A machine sees a part only: a finding is evidence, no finding proves
nothing, and people can declare either at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import JournalError, NotConfigured, SourceError
from ..journal import JournalProblem, Prover, journal_folder, parts_of, recent_files, verify_incident
from ..journal.layout import ELSEWHERE
from ..model import LEVELS, Value, utc_now
from ..text.sanitize import clean
from ..text.units import count, several
from . import durability, ledgers, loss_probes, open_routes
from .findings import RANK, CheckResult, Finding, IntegrityCheck, Kind, Look, Memory
from .probe import Probe, ProbeResult, Read, View
from .signal import (
    MOST_NAMED,
    ExportedMetric,
    Judgement,
    LabelledSample,
    MetricSpec,
    Numbers,
    Signal,
    SubjectState,
)

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

EVERY_S = 60.0
SYSTEMS = ("postgres", "redis", "api")
MOST_JOURNALS = 3
RUN_LENGTH = 12
SILENT = ("unreachable", "timed out")
LARGEST_JOURNAL = 4_000_000
CHANGED = frozenset({"edited", "missing", "reordered", "duplicated", "forged"})


@dataclass(frozen=True, kw_only=True)
class Integrity(Value):
    """Every look, in the order of `LOOKS`. What the next reading has to know, wallets' ids, is no part of it."""

    checks: tuple[IntegrityCheck, ...] = ()
    redis_run: str = ""  # the beginning of Redis' run id: another one is another process

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, the worst first."""
        found = (finding for check in self.checks for finding in check.findings)
        return tuple(sorted(found, key=lambda finding: RANK.get(finding.level, len(RANK))))

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
        found, seen = await asyncio.to_thread(_verified, settings, dict(memory.journals))
    except JournalError as error:
        raise SourceError("journal", str(error)) from error
    findings = tuple(
        Finding(
            kind="security",
            level="SEV-2",
            text=f"the journal {name} is not what was written: {said}",
            advice="nexconsole journal verify; whoever can write in its folder can do this",
        )
        for name, said in found.items()
        if said
    )
    return CheckResult(said=several(len(found), "journal"), findings=findings, memory=replace(memory, journals=seen))


def _verified(settings: Settings, before: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(what is wrong by the journal's name, "" for nothing; the same with its files' sizes and times, for later)."""
    files = recent_files(journal_folder(settings), datetime.fromtimestamp(0, UTC))
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    for file in files[-MOST_JOURNALS:]:
        try:
            stats = [part.file.stat() for part in parts_of(file)]
        except (OSError, JournalError):
            continue
        if sum(stat.st_size for stat in stats) > LARGEST_JOURNAL:
            continue
        mark = "".join(f"{stat.st_size} {stat.st_mtime_ns} " for stat in stats)
        said = before.get(file.name, "")
        if not said.startswith(mark):
            try:
                problems = verify_incident(file, Prover.of(settings))
            except JournalError:  # one that can't be read hides nothing of the others; consoles and doctor name it
                continue
            wrong = [one for part, some in problems.items() for one in some if _is_harm(part, one)]
            where = f"line {wrong[0].line}: " if wrong and wrong[0].line else ""
            said = mark + (f"{where}{wrong[0].sentence}" if wrong else "")
        seen[file.name], found[file.name] = said, said.removeprefix(mark)
    return found, seen


def _is_harm(file: Path, problem: JournalProblem) -> bool:
    """Whether it was done to the journal: what never came from another host may be on its way."""
    return problem.what in CHANGED and not (problem.what == "missing" and file.name.endswith(ELSEWHERE))


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


def _reasons(value: Integrity, settings: Settings) -> Iterator[Judgement]:
    for finding in value.findings:
        if finding.level in ("SEV-1", "SEV-2", "SEV-3"):
            yield Judgement(finding.level, finding.text, about=finding.about, explains=finding.explains)


def _summary(value: Integrity) -> str:
    looks = several(sum(check.at is not None for check in value.checks), "look")
    return "; ".join(finding.text for finding in value.findings[:MOST_NAMED]) or f"nothing found in {looks}"


def _numbers(value: Integrity, every: float, now: datetime) -> Numbers:
    return {"integrity_findings": sum(finding.level != "none" for finding in value.findings)}


def _states(value: Integrity, known: Mapping[str, str], settings: Settings) -> Iterator[SubjectState]:
    if value.redis_run:
        words = "Redis was started anew: its run id is another one"
        yield SubjectState("Redis' run", clean(value.redis_run, 40), words, usual=True, brief=True)
    kinds: tuple[Kind, ...] = ("data", "security")
    for kind in kinds:
        findings = [finding for finding in value.of(kind) if finding.level != "none"]
        words = findings[0].text if findings else f"no finding about {kind} is left"
        yield SubjectState(
            f"{kind} findings", findings[0].level if findings else "none", words, usual=not findings, brief=True
        )


def _findings(value: Integrity) -> Iterator[LabelledSample]:
    kinds: tuple[Kind, ...] = ("data", "security")
    for kind in kinds:
        levels = [finding.level for finding in value.of(kind)]
        yield from (({"kind": kind, "level": level}, levels.count(level)) for level in LEVELS)


def _worst(kind: Kind) -> Read:
    def read(view: View[Integrity]) -> ProbeResult:
        value = view.value
        found = value.of(kind)
        if found:
            more = f" (and {several(len(found) - 1, 'other finding')})" if len(found) > 1 else ""
            return ProbeResult(text=found[0].text + more, value=found[0].level)
        taken = [check for check in value.checks if check.at is not None]
        blind = [check.name for check in value.checks if check.error]
        text = f"nothing was found in {several(len(taken), 'look')}"
        return ProbeResult(text=text + (f"; not looked at: {', '.join(blind)}" if blind else ""), value="none")

    return read


def _probe(name: str, title: str, kind: Kind) -> Probe:
    return Probe(name=name, title=title, signal="integrity", kind="word", words=LEVELS, read=_worst(kind))


PROBES = (
    _probe("integrity.data", "the worst finding about lost or endangered data", "data"),
    _probe("integrity.security", "the worst finding about what stands open", "security"),
    *loss_probes.PROBES,
)


SIGNAL = Signal(
    name="integrity",
    kind=Integrity,
    read=read,
    summary=_summary,
    every=EVERY_S,
    timeout=20.0,
    reasons=_reasons,
    numbers=_numbers,
    metrics={
        "integrity_findings": MetricSpec("data and security findings", count),
    },
    exported=(ExportedMetric("integrity_findings", "Findings about data and security by level.", _findings),),
    observe=_states,
    probes=PROBES,
)
