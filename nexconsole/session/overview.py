"""All NexNums of the settings at a glance: each profile's level, what it is and since when, read apart from the others.

Each profile has its own settings, sources and monitor, and no right to change anything. One that fails or hangs says so
itself; the others do not wait for it. What was not read is not known, and never calm.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from ..causes.wording import time_of
from ..errors import NexConsoleError
from ..model import SourceHealth, utc_now
from ..settings import Settings, powerless
from ..sources import Sources, open_sources
from ..sources.threads import AllHang, Threads
from ..text.sanitize import clean
from ..text.units import period
from .incident_store import IncidentStore
from .known_causes import know_causes
from .monitor import Monitor

if TYPE_CHECKING:
    from ..status import Status

log = logging.getLogger(__name__)

READ_S = 25.0  # within which one profile is read, else it is not known; one source alone may take 15 s to log in
LOAD_S = 40.0  # and its settings, whose commands may take 30 s
EVERY_S = 30.0  # between two readings of one profile
APART_S = 0.5  # between the first readings of two profiles: their clients are not made all at once
CLOSE_S = 1.0
LONGEST = 300  # characters of a sentence
NOT_KNOWN = "not known"
CALM = "none"
LESS_THAN_WORST = ("SEV-2", "SEV-3")  # what is not read could make these worse
WORST_FIRST = (2, 1, 3, 0)  # exit codes of `status`: what holds goes before what could not be read


@dataclass(frozen=True, kw_only=True)
class ProfileOverview:
    """One NexNum as it was read. `level`: SEV-1, SEV-2, SEV-3, "none", or "not known"; `sentence`: the cause, else
    the first reason, else why it is not known.

    `since` (UTC) is None where it is not known; `since_seen`: it began then, else it may be older. `incident`: the open
    one's id in this host's journals, "" for none, None where they can't be read. `read_at` is None where nothing was
    ever read; `error` says why the newest try failed. `exit_code` is that of `status`.
    """

    profile: str
    environment: str = ""
    name: str = ""
    level: str = NOT_KNOWN
    sentence: str = "not read yet"
    since: datetime | None = None
    since_seen: bool = False
    incident: str | None = None
    read_at: datetime | None = None
    error: str = ""
    exit_code: int = 3


def overview_of(
    settings: Settings, status: Status, monitor: Monitor, incident: str | None, profile: str = ""
) -> ProfileOverview:
    """What one line says of a NexNum that was read."""
    severity = status.severity
    reasons, likely = severity.reasons, status.likely
    unknown = (*severity.unanswered, *status.unread)
    level = severity.level
    if level == CALM and unknown:
        level = NOT_KNOWN
    first = monitor.since(reasons[0]) if reasons else None
    since, seen = (first.at, first.seen) if first is not None else (None, False)
    if likely:
        sentence = likely[0].title
        onset = likely[0].since
        if onset is not None:
            since, seen = (onset.at, True) if onset.at is not None else (onset.known_from, False)
    elif reasons:
        sentence = reasons[0].text
    else:
        sentence = unknown[0] if unknown else "nothing is wrong"
    if unknown and level in LESS_THAN_WORST:
        sentence = f"{sentence}; may be worse, not known: {unknown[0]}"
    return ProfileOverview(
        profile=profile or settings.profile,
        environment=settings.environment,
        name=settings.name,
        level=level,
        sentence=clean(sentence, LONGEST),
        since=since,
        since_seen=seen,
        incident=incident,
        read_at=status.at,
        exit_code=status.exit_code if level != NOT_KNOWN else 3,
    )


def own_overview(
    settings: Settings,
    monitor: Monitor,
    sources: tuple[SourceHealth, ...],
    now: datetime,
    store: IncidentStore | None,
) -> ProfileOverview:
    """The same of a console's own NexNum, from what it has read by now."""
    from ..status import status_of

    about = ProfileOverview(profile=settings.profile, environment=settings.environment, name=settings.name)
    if monitor.severity is None:
        return about
    status = status_of(dict(monitor.readings), monitor.severity, sources, now, monitor.explanation)
    return overview_of(settings, status, monitor, incident_of(store) if store is not None else None)


class ProfileWatch:
    """Reads one profile when asked. `load` gives its settings, and may run commands: it is called in a thread, once.

    `newest` is what is known by now. `changed` is called when that is something else.
    """

    def __init__(
        self,
        profile: str,
        load: Callable[[str], Settings],
        *,
        clock: Callable[[], datetime] = utc_now,
        opener: Callable[[Settings], Sources] = open_sources,
        read_s: float = READ_S,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.newest = ProfileOverview(profile=profile)
        self._load, self._clock, self._opener, self._read_s, self._changed = load, clock, opener, read_s, changed
        self._settings: Settings | None = None
        self._sources: Sources | None = None
        self._monitor: Monitor | None = None
        self._store: IncidentStore | None = None
        self._loading = Threads(1, f"profile {profile}")

    @property
    def opened(self) -> bool:
        """Whether its settings could be read."""
        return self._settings is not None

    async def read(self) -> ProfileOverview:
        """Read it once; within LOAD_S and READ_S. What fails is said in `newest`, which is returned."""
        try:
            self.newest = await self._read()
        except AllHang:
            self._failed("its settings can't be read: a command of theirs still runs")
        except TimeoutError:
            self._failed(f"it was not read within {period(self._read_s)}")
        except NexConsoleError as error:
            self._failed(str(error))
        except Exception as error:  # a bug in one profile's reading takes nobody the others
            log.exception("the profile %s could not be read", self.newest.profile)
            self._failed(f"it could not be read: {type(error).__name__}")
        self._changed()
        return self.newest

    async def watch(self) -> None:
        """Read it again and again, without end."""
        while True:
            await self.read()
            await asyncio.sleep(EVERY_S)

    async def _read(self) -> ProfileOverview:
        from ..status import status_of

        settings = await self._opened()
        sources, monitor, store = self._sources, self._monitor, self._store
        assert sources is not None and monitor is not None and store is not None  # `_opened` made them
        async with asyncio.timeout(self._read_s):
            await monitor.read_all(sources)
            await store.look()
        assert monitor.severity is not None  # there is no console without signals
        status = status_of(
            dict(monitor.readings), monitor.severity, sources.health(), self._clock(), monitor.explanation
        )
        return overview_of(settings, status, monitor, incident_of(store), self.newest.profile)

    async def _opened(self) -> Settings:
        """Its settings, without a right to act, and the sources that they name; made once."""
        if self._settings is None:
            loaded = await self._loading.run(partial(self._load, self.newest.profile), LOAD_S)
            self._settings = powerless(loaded)
            self.newest = replace(self.newest, environment=loaded.environment, name=loaded.name)
        if self._sources is None:
            self._sources = self._opener(self._settings)
            self._monitor = Monitor(self._settings, clock=self._clock, health=self._sources.health)
            self._store = IncidentStore(self._settings, self._clock)
            await know_causes(self._monitor, self._settings)
        return self._settings

    def _failed(self, why: str) -> None:
        """It is not known by now; what was read last stays in sight with its age."""
        why = clean(why, LONGEST)
        self.newest = replace(self.newest, level=NOT_KNOWN, sentence=why, error=why, since=None, exit_code=3)

    async def close(self) -> None:
        """Let go of its connections, and wait no longer than CLOSE_S for their goodbye."""
        self._loading.close()
        sources, self._sources = self._sources, None
        if sources is not None:
            try:
                async with asyncio.timeout(CLOSE_S):
                    await sources.close()
            except TimeoutError:
                log.warning("the sources of the profile %s did not close in time", self.newest.profile)


async def read_profiles(names: tuple[str, ...], load: Callable[[str], Settings]) -> list[ProfileOverview]:
    """Each once, all at the same time, in this order."""
    watches = [ProfileWatch(name, load) for name in names]
    try:
        return list(await asyncio.gather(*(watch.read() for watch in watches)))
    finally:
        await asyncio.gather(*(watch.close() for watch in watches))


def worst_code(found: list[ProfileOverview]) -> int:
    """The exit code for all: 2 where one has SEV-1 or SEV-2, else 1 for SEV-3, else 3 for one that is not known."""
    codes = {each.exit_code for each in found}
    return next((code for code in WORST_FIRST if code in codes), 3)


def incident_of(store: IncidentStore) -> str | None:
    """The newest open incident's id in this host's journals; "" for none, None where they can't be read."""
    open_ones = [known for known in store.incidents.values() if known.open]
    if not open_ones:
        return None if store.unread else ""
    return max(open_ones, key=lambda known: known.opened_at).id


def level_words(each: ProfileOverview) -> str:
    """`SEV-1`, `CALM` or `NOT KNOWN`."""
    return "CALM" if each.level == CALM else each.level.upper()


def since_words(each: ProfileOverview, now: datetime) -> str:
    """`since 03:12`; `before 03:12` where it may be older than what was seen; "" where it is not known."""
    if each.since is None:
        return ""
    return f"{'since' if each.since_seen else 'before'} {time_of(each.since, now)}"
