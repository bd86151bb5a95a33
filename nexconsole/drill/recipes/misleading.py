"""What stands beside the cause misleads: changes that are not to blame, an alert that lies, an old trouble."""

from __future__ import annotations

import random

from ..cluster_causes import LyingAlert
from ..scenario_model import DrillScenario
from ..staged_causes import Crowd, UpstreamAnswer, UpstreamFault
from .drawing import COUNTRIES, Recipe, ago, busy, loaded, provider
from .faults_drawn import (
    answering,
    bad_release,
    edited,
    empty_account,
    herring,
    innocent_config,
    innocent_release,
    outage,
    outbox_stopped,
    restarted,
    staged,
    stall,
    unused_circuit,
)

GROUP = "misleading"
LIES = (
    ("HighErrorRate", "5xx share of the API above 5 %"),
    ("ProviderSyncFailed", "No provider sync for a day"),
    ("QueueBacklogHigh", "Jobs wait in the queue"),
    ("DatabaseConnectionsHigh", "Connections above 80 %"),
)


def release_before_an_outage(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 3, 7)
    return DrillScenario(
        name="release-before-an-outage",
        title="A release was rolled out minutes before purchases began to fail",
        expect=f"{name} does not answer: to pods of any image. The release of before is not to blame.",
        truth=(f"provider-unreachable {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(
            outage(draws, name, begins_s),
            innocent_release(draws, begins_s - round(draws.uniform(180, 480), 1)),
        ),
    )


def edit_before_a_stall(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 1.5, 3)
    return DrillScenario(
        name="edit-before-a-stall",
        title="A provider's row was edited right before purchases of all providers began to fail",
        expect=f"One session blocks many, at all providers alike. The edit of {name} is finished, and holds nothing.",
        truth=("session-blocks",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(stall(draws, begins_s), edited(draws, name, begins_s - round(draws.uniform(25, 90), 1))),
    )


def restart_before_an_empty_balance(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 2, 7)
    return DrillScenario(
        name="restart-before-an-empty-balance",
        title="A pod ran out of memory right before purchases began to fail",
        expect=f"{name} answers NO_BALANCE to every pod, restarted or not; our balance there is used up.",
        truth=(f"balance-used-up {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(empty_account(name, begins_s), restarted(begins_s - round(draws.uniform(20, 120), 1))),
    )


def lying_alert(draws: random.Random) -> DrillScenario:
    alert, summary = draws.choice(LIES)
    cause = LyingAlert(begins_s=ago(draws, 2, 12), alert=alert, summary=summary)
    return DrillScenario(
        name="lying-alert",
        title="A critical alert fires, and nothing is wrong",
        expect=f"{alert} fires since its rule was loaded; purchases, outbox, database and pods are as ever.",
        truth=(f"alert-lies {alert}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(staged("lying-alert", cause, shows_after_s=10.0),),
    )


def change_after_the_onset(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 5, 8)
    later = begins_s + round(draws.uniform(60, 150), 1)
    tried = innocent_config(draws, later) if draws.random() < 0.5 else edited(draws, name, later)
    return DrillScenario(
        name="change-after-the-onset",
        title="Somebody changed something after purchases had begun to fail",
        expect=f"{name} refuses our key since before the change: somebody has tried something, and it did not help.",
        truth=(f"provider-key-refused {name}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights=loaded(draws, name),
        faults=(answering("key-refused", name, begins_s, (UpstreamAnswer.BAD_KEY, 1.0)), tried),
    )


def config_before_a_country(draws: random.Random) -> DrillScenario:
    country, begins_s = draws.choice(list(COUNTRIES)), ago(draws, 3, 8)
    answers = ((UpstreamAnswer.NO_NUMBERS, round(draws.uniform(0.9, 1.0), 3)),)
    cause = UpstreamFault(provider="", begins_s=begins_s, answers=answers, countries=(COUNTRIES[country],))
    return DrillScenario(
        name="config-before-a-country",
        title="A ConfigMap changed right before purchases began to fail",
        expect=f"All that fails is of {country}: no provider has numbers there. No pod has read the ConfigMap since.",
        truth=(f"country-out {country}",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(
            staged("country-out", cause),
            innocent_config(draws, begins_s - round(draws.uniform(30, 200), 1)),
        ),
    )


def circuit_of_nobody(draws: random.Random) -> DrillScenario:
    name = provider(draws, "smsbower")
    unused = unused_circuit(name, ago(draws, 22, 28))
    return DrillScenario(
        name="circuit-of-nobody",
        title="A circuit has been open for long, and since minutes the outbox grows",
        expect=f"Nothing consumes the outbox. {name}, whose circuits are open, sells to nobody, and has not for long.",
        truth=("outbox-stopped",),
        group=GROUP,
        purchases_per_s=busy(draws),
        weights={name: 0.0},
        visits={name: 0.15},
        faults=(outbox_stopped(ago(draws, 7, 11)), unused),
    )


def crowd_before_a_release(draws: random.Random) -> DrillScenario:
    name, begins_s = provider(draws), ago(draws, 4, 8)
    crowd = Crowd(begins_s=begins_s - 120, provider=name, purchases=0.5, visits=0.6)
    return DrillScenario(
        name="crowd-before-a-release",
        title="Everybody wants one provider, and then purchases begin to fail",
        expect=f"Most of what fails is at {name}, where most buy; the same share fails everywhere: it is the release.",
        truth=("bad-release",),
        group=GROUP,
        purchases_per_s=busy(draws),
        faults=(bad_release(draws, begins_s), herring("crowd", crowd, provider=name)),
    )


RECIPES: tuple[Recipe, ...] = (
    release_before_an_outage,
    edit_before_a_stall,
    restart_before_an_empty_balance,
    lying_alert,
    change_after_the_onset,
    config_before_a_country,
    circuit_of_nobody,
    crowd_before_a_release,
)
