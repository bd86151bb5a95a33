"""Meilisearch's health, and the providers' own status pages: what is well, what isn't, and what nobody knows."""

from __future__ import annotations

import time

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from remote_console import GARBAGE, HTML, REDIRECT, tcp_server
from web_server import STATUSPAGE, answering, opened, server

from nexconsole.errors import NotConfigured, SettingsError
from nexconsole.settings import ProvidersSettings, SearchSettings, Settings
from nexconsole.signals import search, status_pages
from nexconsole.sources import open_sources
from nexconsole.sources.status_pages import MOST_BYTES, PageStatement, understand


async def health(url: str) -> search.Search:
    async with opened(search=SearchSettings(url=url, timeout_s=0.5)) as sources:
        return await search.read(sources, Settings(), None)


async def test_a_search_index_that_says_available_is_up_and_asked_for_nothing_else():
    async with server(answering('{"status": "available"}')) as (url, seen):
        assert await health(url) == search.Search(source="meilisearch", up=True)
    assert [line.split()[:2] for line in seen] == [["GET", "/health"]]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answering('{"status": "restoring"}'), "says it is restoring"),
        (answering("{}"), "no status: is this Meilisearch?"),
        (answering("<html>", kind="text/html"), "no status: is this Meilisearch?"),
        (answering("[]"), "no status"),
        (answering("down", 503), "answers 503 to /health"),
    ],
)
async def test_whatever_else_it_says_is_down_with_the_reason(answer, why):
    async with server(answer) as (url, _):
        value = await health(url)
    assert not value.up and why in value.why


@pytest.mark.parametrize(
    ("answer", "why"),
    [(HTML, "no status"), (REDIRECT, "redirect"), (GARBAGE, "does not speak HTTP"), (None, "did not answer")],
    ids=["HTML", "redirect", "garbage", "silence"],
)
async def test_a_search_index_that_is_none_or_silent_is_down_with_the_reason(answer, why):
    async with tcp_server(answer) as port:
        value = await health(f"http://127.0.0.1:{port}")
    assert not value.up and why in value.why


async def test_a_refused_connection_is_down_and_no_setting_is_not_configured():
    async with tcp_server(b"") as port:
        pass
    assert "refused" in (await health(f"http://127.0.0.1:{port}")).why
    async with opened() as sources:
        with pytest.raises(NotConfigured, match=r"set search\.url or MEILISEARCH_HOST"):
            await search.read(sources, Settings(), None)


# --- status pages ---------------------------------------------------------------------------------------------------

RSS = """<?xml version="1.0"?><rss><channel><title>smsbower status</title>
<item><title><![CDATA[Delays &amp; more]]></title></item><item><title>older</title></item></channel></rss>"""
ATOM = "<feed><title>all</title><entry><title type='html'>API down</title></entry></feed>"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (STATUSPAGE, PageStatement(text="Partial Outage", indicator="major")),
        ('{"status": "ok"}', PageStatement(text="ok")),
        (RSS, PageStatement(text="Delays & more")),
        (ATOM, PageStatement(text="API down")),
        ("<html><head><TITLE>\nAll good </TITLE></head>", PageStatement(text="All good")),
        ("<title>" + "x" * 999 + "</title>", PageStatement(text="x" * 199 + "…")),
        ("{}", None),
        ('{"status": {"indicator": null}}', None),
        ("[" * 100_000, None),
        ("plain words", None),
        ("<title></title>", None),
    ],
)
def test_a_page_is_understood_as_json_as_a_feed_or_by_its_title(body, said):
    assert understand(body) == said


@pytest.mark.parametrize(
    "piece", ["<item>", "<title>", "<title>x</title", "<![CDATA[", "<", "<entry><title", "{", "&#x"]
)
def test_a_hostile_page_costs_no_time(piece):
    body = ("<title>" + piece * MOST_BYTES)[:MOST_BYTES]
    began = time.perf_counter()
    for text in (body, body[7:], body + "</title>"):
        found = understand(text)
        assert found is None or len(found.text) <= 200
    assert time.perf_counter() - began < 1.0


@given(st.text(st.sampled_from('<>/title[]!CDATA{}":,&;#0 \x1b\n'), max_size=200))
def test_whatever_a_page_holds_is_one_harmless_line_or_nothing(text):
    found = understand(text)
    assert found is None or (found.text.strip() and found.text.isprintable())


async def pages(previous=None, **urls) -> status_pages.StatusPages:
    async with opened(providers=ProvidersSettings(status_pages=urls, status_timeout_s=0.5)) as sources:
        return await status_pages.read(sources, Settings(), previous)


async def test_each_page_says_its_own_and_a_failing_one_keeps_what_it_said_with_its_age():
    async with server(answering(STATUSPAGE)) as (url, seen):
        value = await pages(smsbower=f"{url}/api/v2/status.json")
    assert seen[0].startswith("GET /api/v2/status.json application/json, application/rss+xml")
    [page] = value.pages
    assert (page.provider, page.said, page.indicator, page.error) == ("smsbower", "Partial Outage", "major", "")
    assert page.read_at is not None
    later = await pages(value, smsbower=f"{url}/api/v2/status.json", other=url)
    assert (later.pages[0].said, later.pages[0].read_at) == (page.said, page.read_at)
    assert "smsbower's status page at 127.0.0.1" in later.pages[0].error and "refused" in later.pages[0].error
    assert (later.pages[1].said, later.pages[1].read_at) == ("", None)


async def test_a_page_without_end_is_read_no_further_than_its_title():
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        await response.write(b"<title>We are well</title>")
        sent = 0
        while sent < 100 * MOST_BYTES:
            await response.write(b"x" * 65_536)
            sent += 65_536
        return response

    async with server(endless) as (url, _):
        value = await pages(smsbower=url)
    assert (value.pages[0].said, value.pages[0].error) == ("We are well", "")


@pytest.mark.parametrize(
    ("answer", "why"),
    [(REDIRECT, "redirect (302) to /login"), (GARBAGE, "does not speak HTTP"), (None, "did not answer its page")],
    ids=["redirect", "garbage", "silence"],
)
async def test_a_page_that_is_none_has_an_error_and_no_verdict(answer, why):
    async with tcp_server(answer) as port:
        value = await pages(smsbower=f"http://127.0.0.1:{port}")
    assert why in value.pages[0].error and value.pages[0].said == ""


async def test_an_address_that_is_none_is_refused_by_its_key():
    with pytest.raises(SettingsError, match=r"providers\.status_pages\.smsbower must begin with http"):
        open_sources(Settings(providers=ProvidersSettings(status_pages={"smsbower": "ftp://x"})))
