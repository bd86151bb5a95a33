"""Probes of the providers besides their breakers: turns, our money there, their own status pages. (nexnum.md#slots)"""

from __future__ import annotations

from ...signals import severity_limits
from ...signals.balances import Balance, Balances, State
from ...signals.slots import Slots
from ...signals.status_pages import StatusPages
from ...text.units import duration
from .probe import PROVIDER, Probe, ProbeResult, View, many

TURN_S = 3  # what a wait has to last to be told from the ordinary turn


def _wait(view: View[Slots]) -> ProbeResult:
    value = view.value
    provider = next((provider for provider in value.providers if view.called(provider.name, provider.id)), None)
    if provider is None:
        return ProbeResult(text=f"not known: no provider named {view.argument} was seen", value=None)
    wait = next((wait.wait_s for wait in value.waits if wait.id == provider.id), 0.0)
    if not wait:
        return ProbeResult(text=f"a purchase at {provider.name} goes out within {TURN_S} s", value=0.0)
    return ProbeResult(text=f"a purchase at {provider.name} waits {duration(wait)} for its turn", value=wait)


def _worst(view: View[Slots]) -> ProbeResult:
    value = view.value
    worst = value.worst
    if worst is None:
        return ProbeResult(text=f"no purchase waits longer than {TURN_S} s for its turn", value=0.0)
    others = len(value.longer(TURN_S)) - 1
    more = f", and at {many(others, 'other provider')} too" if others else ""
    text = f"a purchase at {worst.name} waits {duration(worst.wait_s)} for its turn{more}"
    return ProbeResult(text=text, value=worst.wait_s, gives={"provider": worst.name})


def _reach(view: View[Slots]) -> ProbeResult:
    """Whose trouble the waits are: everybody's, some customers', or nobody's."""
    found = next(severity_limits.slots_everywhere(view.readings, view.settings), None)
    if found is not None:
        return ProbeResult(text=found[1], value="most")
    stalled = view.value.longer(view.settings.slots.stalled_s)
    limit = duration(view.settings.slots.stalled_s)
    where = f"at {many(len(stalled), 'active provider')} a turn takes {limit} or longer"
    return ProbeResult(text=where, value="some" if stalled else "none")


def _empty(view: View[Balances]) -> ProbeResult:
    """By figures that are not old: what was used up long ago may have been topped up."""
    return _short(view, ("empty",), "is used up", old=False)


def _low(view: View[Balances]) -> ProbeResult:
    """Below its limit, or used up."""
    return _short(view, ("empty", "low"), "is low or used up", old=True)


def _short(view: View[Balances], states: tuple[State, ...], words: str, *, old: bool) -> ProbeResult:
    value = view.value
    balances, unknown = tuple(balance for balance in value.of(*states) if old or not balance.old), value.of("unknown")
    if not balances and unknown and len(unknown) == len(value.of("empty", "low", "enough", "unknown")):
        return ProbeResult(text="not known: NexNum has never asked for a balance", value=None)
    told = ", ".join(f"{balance.name} {_money(balance)}" for balance in balances[:5])
    text = f"our balance {words} at {many(len(balances), 'active provider')}" + (f": {told}" if told else "")
    blind = f" ({len(unknown)} not known)" if unknown else ""
    return ProbeResult(
        text=text + blind, value=float(len(balances)), gives={"provider": balances[0].name} if balances else {}
    )


def _left(view: View[Balances]) -> ProbeResult:
    value = view.value
    one = next((balance for balance in value.balances if view.called(balance.name)), None)
    if one is None:
        return ProbeResult(text=f"not known: no provider named {view.argument} was seen", value=None)
    if one.state == "unknown" or one.balance is None:
        return ProbeResult(text=f"not known: NexNum has never asked {one.name} for our balance", value=None)
    limit = f" of at least {one.alert:g}" if one.alert is not None else ""
    return ProbeResult(text=f"{_money(one)} are left at {one.name}{limit}: {one.state}", value=one.balance)


def _money(balance: Balance) -> str:
    old = ", an old figure" if balance.old else ""
    return f"{balance.balance:.2f} ({duration(balance.age_s)} ago{old})"


def _page(view: View[StatusPages]) -> ProbeResult:
    value = view.value
    page = next((page for page in value.pages if view.called(page.provider)), None)
    if page is None:
        text = f"not known: providers.status_pages has no status page of {view.argument}"
        return ProbeResult(text=text, value=None)
    if page.read_at is None:
        return ProbeResult(text=f"not known: {page.error}", value=None)
    age = duration(max(0.0, (view.now - page.read_at).total_seconds()))
    word = f" ({page.indicator})" if page.indicator else ""
    return ProbeResult(text=f"{page.provider} said of itself {age} ago: {page.said}{word}", value=page.said)


_GIVES = {"provider": "provider"}
PROBES = (
    Probe(
        name="slots.wait",
        title="how long a purchase waits for its turn at a provider",
        signal="slots",
        kind="number",
        unit="seconds",
        read=_wait,
        argument=PROVIDER,
    ),
    Probe(
        name="slots.worst",
        title="the longest wait for a turn",
        signal="slots",
        kind="number",
        unit="seconds",
        read=_worst,
        gives=_GIVES,
    ),
    Probe(
        name="slots.reach",
        title="whether most purchases wait too long for their turn",
        signal="slots",
        kind="word",
        words=("most", "some", "none"),
        read=_reach,
    ),
    Probe(
        name="balances.empty",
        title="active providers where our balance is used up",
        signal="balances",
        kind="number",
        read=_empty,
        gives=_GIVES,
    ),
    Probe(
        name="balances.low",
        title="active providers where our balance is low or used up",
        signal="balances",
        kind="number",
        read=_low,
        gives=_GIVES,
    ),
    Probe(
        name="balance.left",
        title="our balance at a provider",
        signal="balances",
        kind="number",
        read=_left,
        argument=PROVIDER,
    ),
    Probe(
        name="provider.statuspage",
        title="what a provider's own status page says",
        signal="status_pages",
        kind="text",
        read=_page,
        argument=PROVIDER,
    ),
)
