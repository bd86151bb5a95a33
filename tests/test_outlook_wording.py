"""Whom it hurts and when a ceiling is reached, in one line: only what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sample_causes as causes
from sample_readings import NOW

from nexconsole.causes.outlook_wording import hurt, reached
from nexconsole.signals.customers import Customers


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (Customers(), ""),
        (Customers(failing=0, refused=None, waiting=0), ""),
        (Customers(failing=1, failing_per_min=0.4), "1 customer failing; 0.4 purchases a minute fail"),
        (Customers(failing=3, failing_per_min=1.2), "3 customers failing; 1.2 purchases a minute fail"),
        (Customers(waiting=2, holds=1, held=2.5), "2 customers waiting; 1 hold open, 2.50 $"),
    ],
)
def test_harm_is_said_as_far_as_it_is_known(known: Customers, words: str) -> None:
    assert hurt(known) == words


def test_a_ceiling_is_said_with_its_range_and_what_has_none_says_why() -> None:
    rising, none = causes.RUNWAY.ceilings
    assert reached(rising, NOW) == ("connections: 83 of 100 in use; reached between 14:16 and 14:23", "warn")
    assert reached(none, NOW) == ("balance at 5sim: no estimate: it was topped up an hour ago", "muted")
    soon = replace(rising, latest=rising.earliest, good=True)
    assert reached(soon, NOW) == ("connections: 83 of 100 in use; done at about 14:16", "text")
    full = replace(rising, text="100 of 100, full", earliest=NOW - timedelta(minutes=1), latest=NOW)
    assert reached(full, NOW) == ("connections: 100 of 100, full", "warn")
