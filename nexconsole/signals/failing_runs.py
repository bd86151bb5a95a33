"""Probes of the stretch in which a provider fails up to now: whether it sells again, and how the others fare since.

(nexnum.md#purchase-lines)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..text.units import count, duration, several
from .failure_kinds import LOGS
from .probe import PROVIDER, Probe, ProbeResult, View

if TYPE_CHECKING:
    from .funnel import Funnel
    from .funnel_parts import FailingRun

FEW_FAILED = 3  # fewer are no stretch
OTHERS_SOLD = 3  # so many sales elsewhere show that selling goes on
SOLD_AGAIN = 3  # at least so many in a row
BY_CHANCE = 0.02  # by which a provider that fails as before may have sold so many in a row


def _run(view: View[Funnel]) -> FailingRun | ProbeResult | None:
    """The named provider's stretch, None where it fails no more than now and then; or why that is not known."""
    value = view.value
    if not value.pods_followed:
        return ProbeResult(text="not known: no pod's log is followed", value=None, lacks=LOGS)
    if value.unknown:
        return ProbeResult(text=f"not known: {value.unknown}", value=None)
    provider = view.first(value.providers, "name")
    if provider is None:
        return ProbeResult(text=f"not known: the logs say nothing of {view.argument}", value=None)
    return provider.run if provider.run is not None and provider.run.failed >= FEW_FAILED else None


def _others(view: View[Funnel]) -> ProbeResult:
    run = _run(view)
    if isinstance(run, ProbeResult):
        return run
    if run is None:
        return ProbeResult(text=f"not known: {view.argument} does not fail several times by the logs", value=None)
    since = f"in the {duration(run.since_s)} since {view.argument} fails"
    if not run.others:
        return ProbeResult(text=f"no other provider was bought from {since}", value="none")
    if run.bad > run.well:
        return ProbeResult(
            text=f"{several(run.bad, 'other provider fails', 'other providers fail')} {since}", value="fail"
        )
    if run.well and run.others_sold >= OTHERS_SOLD:
        return ProbeResult(text=f"the others sold {several(run.others_sold, 'number')} {since}", value="sell")
    return ProbeResult(text=f"too few purchases were decided at others {since}", value="few")


def _well_again(view: View[Funnel]) -> ProbeResult:
    """Whether so many in a row were sold that it hardly fails as before."""
    run = _run(view)
    if isinstance(run, ProbeResult):
        return run
    if run is None:
        return ProbeResult(text=f"not known: {view.argument} does not fail several times by the logs", value=None)
    before = run.decided - run.sold_last
    chance = (1 - run.failed / before) ** run.sold_last if before else 1.0
    again = run.sold_last >= SOLD_AGAIN and chance <= BY_CHANCE
    text = f"{view.argument} sold {several(run.sold_last, 'number')} since its last failure, after {count(run.failed)}"
    return ProbeResult(text=text, value=again)


PROBES = (
    Probe(
        name="provider.others",
        title="whether the other providers sell or fail since this one fails",
        signal="funnel",
        kind="word",
        words=("sell", "fail", "few", "none"),
        read=_others,
        argument=PROVIDER,
    ),
    Probe(
        name="provider.well-again",
        title="whether it sold so many in a row that it is well again",
        signal="funnel",
        kind="flag",
        read=_well_again,
        argument=PROVIDER,
    ),
)
