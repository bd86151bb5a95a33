"""The curtain before customer data: what watchers of a shared screen see of each kind of text."""

from __future__ import annotations

import pytest

from nexconsole.widgets.privacy import Masker

MAIL = "anna.smith@example.com"
QUERY = f"UPDATE users SET name = 'Anna' WHERE email = '{MAIL}'"
KINDS = ("mask", "mask_command", "mask_query", "mask_figures")


@pytest.fixture
def masker() -> Masker:
    return Masker()


@pytest.mark.parametrize("kind", KINDS)
def test_while_nobody_watches_every_text_stays_as_it_is(masker, kind):
    assert not masker.enabled
    assert getattr(masker, kind)(QUERY) == QUERY


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_text_shows_a_customer_while_others_watch_and_all_do_again_afterwards(masker, kind):
    masker.enable()
    assert masker.enabled
    assert MAIL not in getattr(masker, kind)(QUERY)
    masker.disable()
    assert not masker.enabled
    assert getattr(masker, kind)(QUERY) == QUERY


def test_a_text_loses_its_statement_and_a_command_of_our_own_keeps_it(masker):
    masker.enable()
    command = "psql -c \"UPDATE providers SET is_active = false WHERE id = 'p1'\""
    assert "UPDATE providers SET is_active = false" in masker.mask_command(command)
    assert "is_active" not in masker.mask(command)


def test_of_somebody_elses_query_only_its_first_word_is_shown(masker):
    masker.enable()
    assert masker.mask_query(QUERY) == "UPDATE …"


@pytest.mark.parametrize("kind", ["mask", "mask_command", "mask_figures"])
def test_a_known_secret_is_a_star_a_character(masker, kind):
    masker.enable(["hush.1", "", "longer*word"])
    shown = getattr(masker, kind)("failed: hush.1 and longer*word")
    assert shown == "failed: ****** and ***********"


def test_a_secret_is_taken_by_the_letter_and_not_as_a_pattern(masker):
    masker.enable(["hush.1"])
    assert masker.mask("hushx1 is no secret") == "hushx1 is no secret"


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_secrets_nothing_is_starred(masker, secrets):
    masker.enable(secrets)
    assert masker.mask("12 of 40 purchases fail") == "12 of 40 purchases fail"


def test_the_secrets_of_an_earlier_curtain_are_not_kept(masker):
    masker.enable(["hush-1"])
    masker.enable(["other-word"])
    assert masker.mask("hush-1, other-word") == "hush-1, **********"
    masker.disable()
    masker.enable()
    assert masker.mask("hush-1, other-word") == "hush-1, other-word"


def test_a_line_of_our_own_figures_keeps_its_width(masker):
    masker.enable()
    line = f"120 of 400 fail for {MAIL}   | 3 pods"
    shown = masker.mask_figures(line)
    assert len(shown) == len(line)
    assert shown.startswith("120 of 400 fail for ") and shown.endswith("   | 3 pods")
