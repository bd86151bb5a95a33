"""Which platform NexNum runs on, of what is named and what is there: Kubernetes, Docker, or neither."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from .tables import AS_DOCKER, AS_KUBECTL, NO_CLUSTER

POD_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
DOCKER_SOCKET = Path("/var/run/docker.sock")
CLUSTER, HOST = "kubernetes.kubeconfig", "docker.host"
VARIABLES = ("KUBECONFIG", "DOCKER_HOST")


def choose(values: dict[str, Any], origins: dict[str, str], environ: Mapping[str, str], profile: str) -> None:
    """Set the two keys: what is named goes before what is found; of both, what is named nearer.

    DOCKER_HOST gives way to KUBECONFIG: people have it for other purposes too. What is found counts with a `profile`
    only if that names kubectl's context. Raises SettingsError where one place names both.
    """
    named = [key for key in (CLUSTER, HOST) if values.get(key, "") not in ("", NO_CLUSTER)]
    if len(named) == 2:
        near = {key: _nearness(origins[key], profile) for key in named}
        if near[CLUSTER] == near[HOST] and near[HOST]:
            raise SettingsError(
                f'{origins[HOST]}: {HOST} and {CLUSTER} are both set, and NexNum runs in one of them: make one "none"'
            )
        values[CLUSTER if near[HOST] > near[CLUSTER] else HOST] = NO_CLUSTER
    elif not named:
        _find(values, origins, environ, profile)
    for key in (CLUSTER, HOST):
        if values.get(key) == NO_CLUSTER:
            values[key] = ""


def _find(values: dict[str, Any], origins: dict[str, str], environ: Mapping[str, str], profile: str) -> None:
    """What kubectl would use, else what docker would."""
    at_hand = "" if profile and not values.get("kubernetes.context") else _cluster_at_hand(environ)
    if CLUSTER not in values and at_hand:
        values[CLUSTER], origins[CLUSTER] = AS_KUBECTL, at_hand
    elif HOST not in values and not profile and environ.get("HOME") and DOCKER_SOCKET.exists():
        values[HOST], origins[HOST] = AS_DOCKER, f"{DOCKER_SOCKET} is there, which docker uses too"


def _nearness(origin: str, profile: str) -> int:
    """A variable is the farthest, a flag the nearest; a profile is nearer than the rest of its file."""
    if origin in VARIABLES:
        return 0
    if origin == "flag":
        return 3
    return 2 if profile and origin.endswith(f": profiles.{profile}") else 1


def _cluster_at_hand(environ: Mapping[str, str]) -> str:
    """What kubectl would use where nobody names a cluster; "" where it has nothing either."""
    home = environ.get("HOME", "")
    if home and os.path.isfile(Path(home, ".kube/config")):  # False too where it may not be looked at
        return f"{home}/.kube/config is there, which kubectl uses too"
    if environ.get("KUBERNETES_SERVICE_HOST") and environ.get("KUBERNETES_SERVICE_PORT") and os.path.isfile(POD_TOKEN):
        return "this is a pod, whose own account kubectl uses too"
    return ""
