"""Kubernetes: which cluster, whether it answers, and each permission that is needed.

The advice depends on the cause: unreachable cluster, certificate, expired login, missing permission, unknown name,
credential plugin.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from ..actions import shell_commands
from ..actions.cluster import AccessRule
from ..actions.registry import ACTIONS
from ..errors import BadAnswer, Busy, Denied, Missing, NotConfigured, SourceError, TimedOut, Unreachable
from ..settings import may_act
from ..sources import cluster_access
from ..sources.containers import log_container
from ..sources.deployment_pods import ending
from ..text.sanitize import clean
from ..text.units import milliseconds
from .check import Check

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources
    from ..sources.kubernetes import KubernetesSource

AREA = "kubernetes"
# What only looking needs, and what is lost without it.
READING = (
    (AccessRule(verb="get", resource="deployments.apps"), "the rollout's state is unknown"),
    (AccessRule(verb="list", resource="pods"), "pods are unknown"),
    (AccessRule(verb="get", resource="pods", subresource="log"), "the pods' own circuits are unknown"),
    (AccessRule(verb="list", resource="horizontalpodautoscalers.autoscaling"), "the autoscaler is not shown"),
    (
        AccessRule(verb="list", resource="replicasets.apps"),
        "how old the release is that runs is unknown, and rollout.undo finds no revision",
    ),
)
# What only the list of changes needs; whoever keeps it from the console's account loses no more than is said.
CHANGES = (
    (AccessRule(verb="list", resource="events"), "evictions and what the autoscaler did are no known changes"),
    (AccessRule(verb="get", resource="configmaps"), "whether a ConfigMap was changed is unknown"),
    (
        AccessRule(verb="get", resource="secrets"),
        "whether a Secret was changed is unknown (its metadata alone would be asked for, never its content)",
    ),
)
NAMES_SHOWN = 8


async def examine(sources: Sources, settings: Settings) -> AsyncIterator[Check]:
    """All checks of the cluster. Nothing is changed."""
    kubernetes = sources.kubernetes
    yield await _which(settings)
    found = await _deployment(kubernetes, settings)
    yield found
    if found.state == "fail" and kubernetes.health.error is not None and not _answers(kubernetes):
        return  # no cluster at all: said once
    yield await _account(kubernetes)
    if found.state == "ok":
        yield await _container(kubernetes, settings)
    for check in await asyncio.gather(*(_right(kubernetes, settings, *right) for right in _rights(settings))):
        yield check


def advice(error: SourceError, settings: Settings, access: cluster_access.Access | None) -> str:
    """Advice by the cause of the failure."""
    said = str(error)
    address = access.server if access is not None else "the API server"
    if "credential plugin" in said:
        return f"run it in a shell as this account, and see what it asks or says: {_plugin(access)}"
    match error:
        case NotConfigured():
            return 'set kubernetes.kubeconfig (KUBECONFIG), or "none" where NexNum runs in no cluster'
        case Denied() if "401" in said:
            return (
                f"log in again in a shell; {shell_commands.kubectl(settings, 'auth', 'whoami')} tells whether it helped"
            )
        case Denied():
            return (
                f"grant it; {shell_commands.kubectl(settings, 'auth', 'can-i', '--list')} shows what this account may"
            )
        case Unreachable() if "TLS" in said:
            return (
                "the certificate-authority-data of the cluster in the kubeconfig must be the CA of this API server, and"
                " tls-server-name a name in its certificate; a proxy in between needs its own"
            )
        case Busy() | TimedOut():
            return f"try {shell_commands.kubectl(settings, 'get', '--raw', '/readyz')}: is the API server overloaded?"
        case Unreachable():
            return f"is the VPN or the bastion's tunnel up? try curl -k {shlex.quote(f'{address}/version')}"
        case BadAnswer():
            return (
                f"what answers at {clean(address, 120)} is no API server: check server and proxy-url in the kubeconfig"
            )
    if said.startswith("there is no "):
        return "set kubernetes.deployment, kubernetes.namespace or kubernetes.context"
    return "correct the kubeconfig where the sentence says" if said.startswith("kubeconfig") else ""


async def _which(settings: Settings) -> Check:
    try:
        access = await asyncio.to_thread(cluster_access.access, settings.kubernetes)
    except SourceError as error:
        return Check(area=AREA, what="cluster", state="fail", said=str(error), advice=advice(error, settings, None))
    return Check(area=AREA, what="cluster", state="ok", said=str(access))


async def _deployment(kubernetes: KubernetesSource, settings: Settings) -> Check:
    name = settings.kubernetes.deployment
    try:
        await _patient(kubernetes, settings)
    except NotConfigured as error:
        told = advice(error, settings, kubernetes.access)
        return Check(area=AREA, what="deployment", state="absent", said=str(error), advice=told)
    except SourceError as error:
        told = advice(error, settings, kubernetes.access)
        if isinstance(error, Missing) and (others := await _others(kubernetes)):
            told = f"{told}; there are {others}"
        return Check(area=AREA, what="deployment", state="fail", said=str(error), advice=told)
    where = f"{kubernetes.namespace}/{name}"
    said = f"{where} found at {kubernetes.address} in {milliseconds(kubernetes.health.latency_ms)}"
    return Check(area=AREA, what="deployment", state="ok", said=said)


async def _patient(kubernetes: KubernetesSource, settings: Settings) -> None:
    """Waits for a credential plugin, whose limit is longer than a read's."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.kubernetes.plugin_timeout_s + 2
    while True:
        try:
            await kubernetes.deployment()
            return
        except TimedOut as error:
            if "credential plugin" not in str(error) or loop.time() > deadline:
                raise


async def _others(kubernetes: KubernetesSource) -> str:
    try:
        names = await kubernetes.deployment_names()
    except SourceError:
        return ""
    return ", ".join(clean(name, 60) for name in names[:NAMES_SHOWN])


def _answers(kubernetes: KubernetesSource) -> bool:
    return kubernetes.health.kind in ("denied", "missing", "failed") and "401" not in (kubernetes.health.error or "")


async def _account(kubernetes: KubernetesSource) -> Check:
    try:
        name, groups = await kubernetes.whoami()
    except SourceError as error:
        account = kubernetes.access.account if kubernetes.access else "unknown"
        why = "is too old to say who that is" if isinstance(error, BadAnswer) else f"does not say who that is: {error}"
        return Check(area=AREA, what="account", state="ok", said=f"{account} by the kubeconfig; the API server {why}")
    more = f", in {', '.join(groups[:NAMES_SHOWN])}" if groups else ""
    return Check(area=AREA, what="account", state="ok", said=f"the API server knows it as {name}{more}")


async def _container(kubernetes: KubernetesSource, settings: Settings) -> Check:
    """Which container's log is read, or that the setting is misspelt."""
    try:
        listed = await kubernetes.labelled()
        pod = next((pod for pod in listed.own if not ending(pod)), None)
        if pod is None:
            said = "no pod of the deployment runs: which container would be read is not known"
            return Check(area=AREA, what="container", state="warn", said=said)
        chosen = log_container(pod, settings.kubernetes)
    except SourceError as error:
        told = advice(error, settings, kubernetes.access)
        return Check(area=AREA, what="container", state="warn", said=str(error), advice=told)
    others = f"; {len(listed.others)} other pods wear the same labels and are not counted" if listed.others else ""
    return Check(area=AREA, what="container", state="ok", said=f"{chosen.name} is read: {chosen.why}{others}")


def _rights(settings: Settings) -> list[tuple[AccessRule, str, str]]:
    """Each permission once: the rule, what is lost without it, and the check's state if it is missing."""
    needed = {rule: (loss, "warn") for rule, loss in READING}
    needed |= {rule: (loss, "absent") for rule, loss in CHANGES}
    acting: dict[AccessRule, list[str]] = {}
    for action in ACTIONS.values():
        for rule in getattr(action, "rights", ()):
            acting.setdefault(rule, []).append(action.name)
    for rule, names in acting.items():
        if rule not in needed:
            needed[rule] = (f"{' and '.join(names)} can't be done", "warn" if may_act(settings) else "absent")
    return [(rule, *said) for rule, said in needed.items()]


async def _right(kubernetes: KubernetesSource, settings: Settings, rule: AccessRule, loss: str, lacking: str) -> Check:
    of = rule.of(settings)
    what = f"{rule}{f' {of}' if of else ''}"
    named = of
    if rule.resource == "secrets":
        named = settings.kubernetes.secret  # a Role may name the one that the pods use
    try:
        allowed, why = await kubernetes.allowed(rule.verb, rule.resource, rule.subresource, named)
    except SourceError as error:
        told = advice(error, settings, kubernetes.access)
        return Check(area=AREA, what=what, state="warn", said=f"could not be asked: {error}", advice=told)
    if allowed:
        return Check(area=AREA, what=what, state="ok", said="allowed")
    because = f" ({why})" if why else ""
    told = f"grant a Role with {rule.grant} in namespace {kubernetes.namespace}"
    return Check(area=AREA, what=what, state=lacking, said=f"not allowed{because}: {loss}", advice=told)


def _plugin(access: cluster_access.Access | None) -> str:
    plugin = access.login.plugin if access is not None else None
    return shlex.join([plugin.command, *plugin.args]) if plugin is not None else "the exec command of the kubeconfig"
