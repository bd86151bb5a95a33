"""What the rows of the panes stand for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sample_readings as sample

from nexconsole.catalogue import KINDS, Subject
from nexconsole.panes import view as faces
from nexconsole.panes.registry import PANES
from nexconsole.settings import Settings
from nexconsole.widgets.panel import Listing, RenderContext

SUBJECTS = ("provider", "pod", "event", "session", "reservation", "lock", "alert", "finding", "check")


def rows(signal: str, world: str, large: bool) -> Listing | None:
    """The rows of a pane with what is drawn beside it, of a world in which everything is to be seen."""
    readings = sample.WORLDS[world]()
    readings |= {"outbox events": sample.events(), "locks": sample.reading("locks", sample.locks(3))}
    face = next(face for face in PANES if signal == face.SIGNAL)
    space = RenderContext(116, 38, sample.NOW, Settings(), readings)
    return faces.picture(face, readings.get(signal), space, large).rows


def every_listing() -> Iterator[tuple[str, Listing]]:
    for world in ("calm", "incident", "locks", "looks", "stale"):
        for face in PANES:
            for large in (False, True):
                if (listing := rows(face.SIGNAL, world, large)) is not None:
                    yield face.SIGNAL, listing


def test_each_row_of_each_pane_stands_for_a_subject() -> None:
    seen: set[str] = set()
    for signal, listing in every_listing():
        for n, key in enumerate(listing.keys):
            subject = listing.subject(n)
            if subject is None:  # a heading, or a blank line
                assert key.startswith("\0") and "finding" not in key and "look " not in key, (signal, key)
                continue
            assert subject.kind in SUBJECTS and subject.id and subject.title, (signal, key)
            assert subject.arguments.keys() <= KINDS.keys(), (signal, key)
            seen.add(subject.kind)
    assert seen == set(SUBJECTS)


@pytest.mark.parametrize(
    ("signal", "kind", "arguments"),
    [
        ("transactions", "provider", ["provider"]),
        ("circuits", "provider", ["provider"]),
        ("balances", "provider", ["provider"]),
        ("funnel", "provider", ["provider"]),
        ("outbox", "event", ["event"]),
        ("database", "session", ["pid"]),
        ("workloads", "pod", ["pod"]),
        ("alerts", "alert", ["alert", "provider"]),
        ("reservations", "reservation", []),
    ],
)
def test_the_first_row_gives_the_words_that_actions_ask_for(signal: str, kind: str, arguments: list[str]) -> None:
    listing = rows(signal, "incident", True)
    assert listing is not None
    subject = listing.subject(0)
    assert subject is not None and (subject.kind, list(subject.arguments)) == (kind, arguments)


def test_a_pods_own_breaker_gives_provider_and_pod() -> None:
    listing = rows("circuits", "incident", True)
    assert listing is not None
    found = [listing.subject(n) for n, key in enumerate(listing.keys) if "\0pod\0" in key]
    assert found and all(one is not None and one.arguments["pod"] in sample.PODS for one in found)


def test_a_lock_gives_its_family_and_itself() -> None:
    listing = rows("reservations", "incident", True)
    assert listing is not None
    found = [one for n in range(len(listing.keys)) if (one := listing.subject(n)) and one.kind == "lock"]
    assert Subject(kind="lock", id="purchase", title="locks of purchase", arguments={"family": "purchase"}) in found
    assert any(one.arguments.get("lock") == one.id for one in found)
