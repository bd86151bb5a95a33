"""Probes of how purchases fail, by the pods' logs: the kinds of their errors, on which pods, and how long sales take.

(nexnum.md#purchase-lines, #upstream-errors)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import comb
from typing import TYPE_CHECKING, Unpack

from ..catalogue import Argument
from ..sources.funnel_lines import FAILURES
from ..text.units import count, percent, several
from .log_reach import within
from .pod_logs import READ_LATE
from .probe import MAYBE_PROVIDER, PROVIDER, Probe, ProbeOptions, ProbeResult, Read, View

if TYPE_CHECKING:
    from .funnel import Funnel, ProviderFunnel
    from .funnel_parts import PodFunnel

FEW = 4  # explained failures; fewer say nothing of the others
HALF_AS_OFTEN = 0.5
FEW_ON_POD = 5  # decided purchases of a pod; with fewer it is not judged
CHANCE = 2  # failures of one pod that may be chance
FAILING = 0.2  # a pod's share of failures from which on it fails
MOST_FAIL, HARDLY = 0.6, 0.15  # of a pod's purchases
APART = 4.0  # times as often as on all others together a pod fails, for it to be the pod
BY_CHANCE = 0.001  # how often one of the pods would fail so much more by chance alone
VAGUE = ("other",)  # nobody said why
OURS = ("breaker open", "not active")  # what follows here from what was before
TOLD = frozenset(FAILURES) - {*VAGUE, *OURS}  # failures whose reason somebody gave; a lack of funds is none
LOGS = "reading the pods' logs"

KINDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "errors.outage": (("no answer", "5xx"), "get no answer, or a server's error"),
    "errors.silent": (("no answer",), "get no answer"),
    "errors.server": (("5xx",), "get a server's error"),
    "errors.limited": (("429",), "get a 429"),
    "errors.nonsense": (("bad answer",), "get an answer that nobody can read"),
    "errors.stock": (("no stock",), "find no number in stock"),
    "errors.balance": (("no balance",), "are refused for our balance"),
    "errors.key": (("bad key",), "are refused for our key"),
    "errors.request": (("bad request", "4xx"), "are refused for what we ask"),
    "errors.breaker": (("breaker open",), "meet an open breaker"),
    "errors.inactive": (("not active",), "meet a provider that is not in use"),
    "errors.locks": (("lock timeout",), "wait too long for a row's lock"),
    "errors.connections": (("no connection",), "get no database connection"),
    "errors.read-only": (("read-only",), "can't write to the database"),
    "errors.database": (("database",), "lose the database"),
    "errors.redis-full": (("redis full",), "can't write to Redis"),
    "errors.redis": (("redis",), "lose Redis"),
    "errors.crash": (("crash",), "end with an error of NexNum's own"),
}


def _share(kinds: tuple[str, ...], words: str) -> Read:
    """The share of the explained failures that are of these kinds, of one provider's where that is named."""

    left_out = {*VAGUE, *(kind for kind in OURS if kind not in kinds)}
    explained = frozenset(kind for kind in FAILURES if kind not in left_out)
    ours = not {*kinds}.isdisjoint(OURS)

    def read(view: View[Funnel]) -> ProbeResult:
        value = view.value
        if unknown := unread(value):
            return unknown
        reasons, at, when = value.failures, "", f", in {within(value.window_s, value.rests_on_s)}"
        one = _provider(view) if view.argument else None
        if view.argument:
            if one is None:
                return ProbeResult(text=f"not known: the logs say nothing of {view.argument}", value=None)
            reasons, at = one.reasons, f" at {one.name}"
        whole = sum(failures for kind, failures in reasons.items() if kind in explained)
        if whole < FEW and view.argument and one is not None and not ours:
            # Behind an open breaker nobody says why any more: the failures before it said so.
            reasons, whole, when = one.newest, sum(one.newest.values()), ", the newest that say why"
        if whole < FEW:
            told = f"explain only {several(whole, 'failure')}" if whole else "explain no failure"
            return ProbeResult(text=f"not known: the logs {told}{at}", value=None)
        many = sum(reasons.get(kind, 0) for kind in kinds)
        text = f"{count(many)} of {several(whole, 'failure')}{at} in the logs {words}{when}"
        return ProbeResult(text=text, value=many / whole)

    return read


def unread(value: Funnel) -> ProbeResult | None:
    """Why the logs say nothing; None where they can be read."""
    if not value.pods_followed:
        return ProbeResult(text="not known: no pod's log is followed", value=None, lacks=LOGS)
    return ProbeResult(text=f"not known: {value.unknown}", value=None) if value.unknown else None


def _provider(view: View[Funnel]) -> ProviderFunnel | None:
    return view.first(view.value.providers, "name")


def _own_kind(view: View[Funnel]) -> tuple[ProviderFunnel, str] | ProbeResult:
    """The provider, and how most of its failures end."""
    if unknown := unread(view.value):
        return unknown
    one = _provider(view)
    kinds = {} if one is None else {k: n for k, n in one.reasons.items() if k in TOLD}
    if one is None or sum(kinds.values()) < FEW:
        return ProbeResult(text=f"not known: the logs explain too few failures at {view.argument}", value=None)
    return one, max(kinds, key=lambda each: (kinds[each], each))


def _own(view: View[Funnel]) -> ProbeResult:
    """How much of what ends as most failures of this provider end happens at it, and not at the others."""
    found = _own_kind(view)
    if isinstance(found, ProbeResult):
        return found
    one, kind = found
    whole = max(view.value.failures.get(kind, 0), one.reasons[kind])
    text = f"{count(one.reasons[kind])} of {several(whole, 'failure')} with {kind} are at {one.name}"
    return ProbeResult(text=text, value=one.reasons[kind] / whole)


def _shared(view: View[Funnel]) -> ProbeResult:
    """The share of the other providers at which purchases end so, too, at least half as often: 0..1."""
    found = _own_kind(view)
    if isinstance(found, ProbeResult):
        return found
    one, kind = found
    others = [each for each in view.value.providers if each is not one and each.sold + each.failed >= FEW]
    if not others:
        return ProbeResult(text=f"not known: too few purchases were decided beside {one.name}", value=None)
    limit = HALF_AS_OFTEN * one.reasons[kind] / max(1, one.sold + one.failed)
    alike = [each.name for each in others if each.reasons.get(kind, 0) >= limit * (each.sold + each.failed)]
    names = f": {', '.join(alike[:4])}" if alike else ""
    text = f"{count(len(alike))} of {several(len(others), 'other provider')} end with {kind} as often{names}"
    return ProbeResult(text=text, value=len(alike) / len(others))


def _pods(view: View[Funnel]) -> ProbeResult:
    """Whether purchases fail on one pod, on some, on all, or on none."""
    value = view.value
    if unknown := unread(value):
        return unknown
    if behind := next((note for note in value.notes if note.endswith(READ_LATE)), ""):
        return ProbeResult(text=f"not known: {behind}", value=None, soon=True)
    judged = [pod for pod in value.by_pod if pod.decided >= FEW_ON_POD]
    if len(judged) < 2:
        return ProbeResult(text="not known: it takes two pods with enough purchases to tell", value=None)
    failing = [pod for pod in judged if _fails(pod)]
    said = ", ".join(f"{pod.name} fails {count(pod.failed)} of {count(pod.decided)}" for pod in judged[:4])
    if not failing:
        return ProbeResult(text=said, value="none")
    if len(failing) == 1 and _alone(failing[0], judged):
        return ProbeResult(text=said, value="one", gives={"pod": failing[0].name})
    return ProbeResult(text=said, value="all" if len(failing) == len(judged) else "some")


def split(pods: Iterable[PodFunnel]) -> tuple[list[str], list[str]]:
    """The pods on which most purchases fail and those on which hardly any does; none where some are in between."""
    judged = [pod for pod in pods if pod.decided >= FEW_ON_POD]
    bad = [pod.name for pod in judged if pod.failed >= MOST_FAIL * pod.decided]
    good = [pod.name for pod in judged if pod.failed <= HARDLY * pod.decided]
    return (bad, good) if bad and good and len(bad) + len(good) == len(judged) else ([], [])


def _is_split(view: View[Funnel]) -> ProbeResult:
    if unknown := unread(view.value):
        return unknown
    if sum(pod.decided >= FEW_ON_POD for pod in view.value.by_pod) < 2:
        return ProbeResult(text="not known: it takes two pods with enough purchases to tell", value=None)
    bad, good = split(view.value.by_pod)
    if not bad:
        return ProbeResult(text="purchases fail on no part of the pods alone", value=False)
    return ProbeResult(text=f"most fail on {', '.join(bad[:4])}, and hardly any on {', '.join(good[:4])}", value=True)


def _fails(pod: PodFunnel) -> bool:
    return pod.failed > CHANCE and pod.failed >= FAILING * pod.decided


def _alone(pod: PodFunnel, pods: list[PodFunnel]) -> bool:
    """Whether a pod fails far more often than all others together, and by more than chance.

    By chance all failures fall on all pods' purchases alike: those of a provider that refuses every pod do.
    """
    failed = sum(other.failed for other in pods if other is not pod)
    decided = sum(other.decided for other in pods if other is not pod)
    if not decided or pod.failed / pod.decided < APART * failed / decided:
        return False
    return len(pods) * _at_least(pod.failed, pod.decided, pod.failed + failed, pod.decided + decided) <= BY_CHANCE


def _at_least(hits: int, drawn: int, marked: int, whole: int) -> float:
    """The chance of so many marked ones or more among those drawn of the whole (Fisher's exact test)."""
    ways = (comb(marked, k) * comb(whole - marked, drawn - k) for k in range(hits, min(drawn, marked) + 1))
    return sum(ways) / comb(whole, drawn)


def _pod(view: View[Funnel]) -> ProbeResult:
    value = view.value
    if unknown := unread(value):
        return unknown
    pod = next((each for each in value.by_pod if each.name == view.argument), None)
    if pod is None or pod.decided < FEW_ON_POD:
        return ProbeResult(text=f"not known: too few purchases were decided on {view.argument}", value=None)
    share = pod.failed / pod.decided
    return ProbeResult(text=f"{percent(share)} of {several(pod.decided, 'purchase')} fail on {pod.name}", value=share)


def _alone_on(view: View[Funnel]) -> ProbeResult:
    found = _pods(view)
    if found.value is None:
        return found
    return ProbeResult(text=found.text, value=found.gives.get("pod") == view.argument)


def _no_route(view: View[Funnel]) -> ProbeResult:
    value = view.value
    if unknown := unread(value):
        return unknown
    many = value.refused.get("no route", 0)
    span = within(value.window_s, value.rests_on_s)
    return ProbeResult(
        text=f"best route finds no provider for {several(many, 'customer')}, in {span}", value=float(many)
    )


def _probe(name: str, title: str, read: Read, kind: str = "number", **options: Unpack[ProbeOptions]) -> Probe:
    return Probe(name=name, title=title, signal="funnel", kind=kind, read=read, **options)


_POD = Argument(name="pod", kind="pod")
PROBES = (
    *(
        _probe(name, f"share of failures that {words}", _share(kinds, words), unit="ratio", argument=MAYBE_PROVIDER)
        for name, (kinds, words) in KINDS.items()
    ),
    _probe(
        "errors.own",
        "share of the failures of a provider's own kind that are at it",
        _own,
        unit="ratio",
        argument=PROVIDER,
    ),
    _probe(
        "errors.shared",
        "share of the other providers at which purchases end so, too",
        _shared,
        unit="ratio",
        argument=PROVIDER,
    ),
    _probe(
        "pods.failing",
        "whether purchases fail on one pod, on some, or on all",
        _pods,
        "word",
        words=("one", "some", "all", "none"),
        gives={"pod": "pod"},
    ),
    _probe("pods.split", "whether most purchases fail on some pods, and hardly any on the others", _is_split, "flag"),
    _probe("pod.failing", "share of a pod's purchases that fail", _pod, unit="ratio", argument=_POD),
    _probe("pod.alone", "whether purchases fail on that pod alone", _alone_on, "flag", argument=_POD),
    _probe("funnel.no-route", "customers for whom best route finds no provider", _no_route),
)
