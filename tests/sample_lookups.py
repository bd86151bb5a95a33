"""What the pages of rows read for themselves, at the sample world's frozen moment; and the subjects they are about."""

from __future__ import annotations

import sample_readings as sample

from nexconsole.catalogue import Subject
from nexconsole.lookups.event import EventRow
from nexconsole.lookups.lock import LockKey
from nexconsole.lookups.log_lines import SubjectLine, SubjectLines
from nexconsole.lookups.pod import ContainerFacts, PodEvent, PodFacts
from nexconsole.lookups.provider import ProviderDetails
from nexconsole.lookups.registry import LINES, ROW
from nexconsole.lookups.reservation import PendingRow, PendingRows
from nexconsole.lookups.session import SessionRow
from nexconsole.model import Reading, Value
from nexconsole.panes.alerts import _key

POD = sample.PODS[1]
[ALERT] = sample.incident()["alerts"].value.firing
LOCK = sample.locks(31).worst[0]

SUBJECTS = {
    "provider": Subject(kind="provider", id="smsbower", title="smsbower", arguments={"provider": "smsbower"}),
    "pod": Subject(kind="pod", id=POD, title=POD, arguments={"pod": POD}),
    "event": Subject(kind="event", id="evt-0003", title="offer.updated evt-0003", arguments={"event": "evt-0003"}),
    "session": Subject(kind="session", id="4312", title="session 4312 of nexnum-app", arguments={"pid": "4312"}),
    "reservation": Subject(kind="reservation", id="purchase_orders", title="purchase orders"),
    "lock": Subject(kind="lock", id=LOCK.key, title=LOCK.key, arguments={"family": "number", "lock": LOCK.key}),
    "family": Subject(kind="lock", id="number", title="locks of number", arguments={"family": "number"}),
    "alert": Subject(
        kind="alert", id=_key(ALERT), title=ALERT.name, arguments={"alert": ALERT.name, "provider": "smsbower"}
    ),
    "finding": Subject(
        kind="finding",
        id="3 wallets have a hold below zero, by 4.50 in all: released twice",
        title="3 wallets have a hold below zero, by 4.50 in all: released twice",
    ),
    "check": Subject(kind="check", id="wallets", title="the check wallets"),
}


def _lines() -> tuple[SubjectLine, ...]:
    told = (
        (95, "warn", "[smsbower] 429 retry 2/3 after 1200 ms"),
        (62, "error", "PROVIDER smsbower purchase failed: 503 Service Unavailable: upstream connect error, attempt 3"),
        (61, "warn", "CIRCUIT OPEN for smsbower: 5 failures in 60 s, trying again in 30 s"),
        (12, "error", "PROVIDER smsbower purchase failed: no answer within 30 s correlationId=9f1c2ab0"),
    )
    return tuple(
        SubjectLine(at=sample.ago(age), pod=sample.PODS[n % 3], level=level, text=text, order=b"%d" % n)
        for n, (age, level, text) in enumerate(told)
    )


ROWS: dict[str, Value] = {
    "provider": ProviderDetails(
        source="postgres",
        found=True,
        id="3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f",
        name="smsbower",
        display_name="SMS Bower",
        active=True,
        priority=10,
        rivals=2,
        sync_status="failed",
        synced_at=sample.ago(7200),
        updated_at=sample.ago(86_400 * 9),
    ),
    "pod": PodFacts(
        source="kubernetes",
        found=True,
        name=POD,
        uid=POD,
        phase="Running",
        node="ip-10-0-3-41.eu-central-1.compute.internal",
        created_at=sample.ago(86_400 * 2.2),
        owner="ReplicaSet nexnum-app-7c9d5b6f4",
        trouble=("Ready: ContainersNotReady containers with unready status: [app]",),
        containers=(
            ContainerFacts(
                name="app",
                image="registry.nexnum.example/nexnum/app:2026.01.23-4",
                ready=False,
                restarts=4,
                state="waiting: CrashLoopBackOff back-off 1m20s restarting failed container=app",
                last_end="OOMKilled, exit code 137",
                ended_at=sample.ago(95),
            ),
            ContainerFacts(
                name="migrate",
                image="registry.nexnum.example/nexnum/app:2026.01.23-4",
                ready=True,
                restarts=0,
                state="ended: Completed, exit code 0",
                since=sample.ago(86_400 * 2.2),
                init=True,
            ),
        ),
        events=(
            PodEvent(
                at=sample.ago(40),
                kind="Warning",
                reason="BackOff",
                message="Back-off restarting failed container app",
                count=9,
            ),
            PodEvent(
                at=sample.ago(95),
                kind="Normal",
                reason="Pulled",
                message="Container image already present on machine",
                count=4,
            ),
        ),
    ),
    "event": EventRow(
        source="postgres",
        found=True,
        id="evt-0003",
        status="FAILED",
        event_type="offer.updated",
        aggregate_type="offer",
        aggregate_id="wa_gb_any",
        retries=1,
        age_s=1497.0,
        changed_s=1496.0,
        error="MeiliSearchApiError: Document identifier `wa+gb any` is invalid. A document identifier can be of type "
        "integer or string, only composed of alphanumeric characters, hyphens and underscores, and can not be more "
        "than 511 bytes. at OutboxProcessor.publish (/app/.next/server/chunks/281.js:1:20541)",
        alike=8,
        looked_at=9,
    ),
    "session": SessionRow(
        source="postgres",
        found=True,
        pid=4312,
        started_at=sample.ago(5400),
        user="nexnum",
        application="nexnum-app",
        state="idle in transaction",
        transaction_s=38.0,
        query_s=37.0,
        state_s=36.0,
        wait="Client:ClientRead",
        query="UPDATE wallets SET reserved = reserved - $1, updated_at = now() WHERE user_id = $2 AND reserved >= $1"
        " RETURNING balance, reserved",
    ),
    "reservation": PendingRows(
        source="postgres",
        found=True,
        rows=tuple(
            PendingRow(
                id=f"ord-{n:04}-4f0e-8d5a",
                age_s=1020.0 - 11 * n,
                overdue_s=720.0 - 22 * n,
                what="whatsapp, united kingdom",
                provider="" if n % 2 else "smsbower",
            )
            for n in range(40)
        ),
    ),
    "lock": LockKey(source="redis", found=True, lock=LOCK),
}


def row(kind: str, **changed: object) -> Reading:
    """The reading of this kind's own row."""
    return sample.reading(ROW, ROWS[kind], **changed)  # type: ignore[arg-type]


def lines() -> Reading:
    return sample.reading(LINES, SubjectLines(source="pod logs", lines=_lines(), pods=3))


def lookups_of(kind: str) -> dict[str, Reading]:
    """What the page of this subject has read."""
    own = {"family": ""}.get(kind, kind)
    found = {ROW: row(own)} if own in ROWS else {}
    return found | ({LINES: lines()} if kind in ("provider", "pod") else {})
