"""Who may do what in the drill's cluster: bearer tokens, roles, and the two reviews by which a client asks."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from .discovery import READ


@dataclass(frozen=True)
class RoleRule:
    """A rule as RBAC has it; `*` stands for everything, `pods/log` for a subresource. `names` are resourceNames: where
    there are any, the rule is for these objects alone, and for none that is not named."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()

    def allows(self, verb: str, group: str, resource: str, name: str) -> bool:
        wanted = ((self.verbs, verb), (self.groups, group), (self.resources, resource))
        named = not self.names or name in self.names
        return named and all("*" in given or value in given for given, value in wanted)


ANYONE = (
    RoleRule(("create",), ("authentication.k8s.io",), ("selfsubjectreviews",)),
    RoleRule(
        ("create",),
        ("authorization.k8s.io",),
        ("selfsubjectaccessreviews", "selfsubjectrulesreviews"),
    ),
)
SEE = (
    RoleRule(READ, ("",), ("pods", "events", "services", "namespaces", "configmaps")),
    RoleRule(READ, ("apps",), ("deployments", "replicasets")),
    RoleRule(("get",), ("apps",), ("deployments/scale",)),
    RoleRule(READ, ("autoscaling",), ("horizontalpodautoscalers",)),
)
VERSIONS = (RoleRule(("get",), ("",), ("secrets",), ("nexnum-secrets",)),)  # asked for its metadata only
LOGS = (RoleRule(("get",), ("",), ("pods/log",)),)
ACT = (
    RoleRule(("patch", "update"), ("apps",), ("deployments", "deployments/scale")),
    RoleRule(("delete",), ("",), ("pods",)),
)
ROLES: dict[str, tuple[RoleRule, ...]] = {
    "admin": (RoleRule(("*",), ("*",), ("*",)),),
    "operator": (*SEE, *LOGS, *ACT, *VERSIONS),  # everything that the runbook needs
    "reader": (*SEE, *LOGS),
    "viewer": SEE,  # no logs
    "nobody": (),  # a valid token, and nothing granted to it
}


@dataclass(frozen=True)
class User:
    name: str
    rules: tuple[RoleRule, ...]

    def may(self, verb: str, group: str, resource: str, name: str = "") -> bool:
        return any(rule.allows(verb, group, resource, name) for rule in (*self.rules, *ANYONE))


class Tokens:
    """One bearer token a role, new in each world."""

    def __init__(self, namespace: str) -> None:
        self.of = {role: secrets.token_urlsafe(24) for role in ROLES}
        self._users = {
            self.of[role]: User(f"system:serviceaccount:{namespace}:{role}", rules) for role, rules in ROLES.items()
        }

    def user(self, authorization: str) -> User | None:
        """Who sends this Authorization header; None for nobody that is known here."""
        scheme, _, token = authorization.partition(" ")
        return self._users.get(token.strip()) if scheme.lower() == "bearer" else None


def self_review(user: User) -> dict[str, Any]:
    """A SelfSubjectReview answered: who the server takes the sender for."""
    groups = ["system:serviceaccounts", "system:authenticated"]
    head = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    info = {"username": user.name, "groups": groups}
    return {**head, "metadata": {"creationTimestamp": None}, "status": {"userInfo": info}}


def access_review(user: User, review: dict[str, Any]) -> dict[str, Any]:
    """A SelfSubjectAccessReview answered."""
    spec = review.get("spec") or {}
    asked = spec.get("resourceAttributes")
    if asked is None:
        allowed = bool(spec.get("nonResourceAttributes")) and user.may("*", "*", "*")
    else:
        resource = "/".join(part for part in (asked.get("resource", ""), asked.get("subresource", "")) if part)
        allowed = user.may(asked.get("verb", ""), asked.get("group", ""), resource, asked.get("name", ""))
    status = {"allowed": allowed} | ({"reason": "RBAC: allowed by the drill's role"} if allowed else {})
    return {**_head("SelfSubjectAccessReview"), "spec": spec, "status": status}


def rules_review(user: User, review: dict[str, Any]) -> dict[str, Any]:
    """A SelfSubjectRulesReview answered."""
    rules = [
        {"verbs": list(rule.verbs), "apiGroups": list(rule.groups), "resources": list(rule.resources)}
        | ({"resourceNames": list(rule.names)} if rule.names else {})
        for rule in (*user.rules, *ANYONE)
    ]
    open_to_all = {"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/version"]}
    status = {"resourceRules": rules, "nonResourceRules": [open_to_all], "incomplete": False}
    return {**_head("SelfSubjectRulesReview"), "spec": review.get("spec") or {}, "status": status}


def _head(kind: str) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": {"creationTimestamp": None}}
