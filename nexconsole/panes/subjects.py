"""What the rows of the panes stand for. (catalogue.Subject)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..catalogue import Subject
from ..causes.change_wording import change_id

if TYPE_CHECKING:
    from ..signals.change import Change


def provider(name: str) -> Subject:
    return Subject(kind="provider", id=name, title=name, arguments={"provider": name})


def breaker(provider: str, pod: str) -> Subject:
    """A provider as one pod sees it."""
    title = f"{provider} in {pod}"
    return Subject(kind="provider", id=provider, title=title, arguments={"provider": provider, "pod": pod})


def pod(name: str, uid: str) -> Subject:
    return Subject(kind="pod", id=uid or name, title=name, arguments={"pod": name})


def foreign_pod(name: str, uid: str) -> Subject:
    """A pod that no action may touch."""
    return Subject(kind="pod", id=uid or name, title=name)


def event(id: str, event_type: str) -> Subject:
    return Subject(kind="event", id=id, title=f"{event_type} {id}", arguments={"event": id})


def session(pid: int, of: str) -> Subject:
    title = f"session {pid} of {of}" if of else f"session {pid}"
    return Subject(kind="session", id=str(pid), title=title, arguments={"pid": str(pid)})


def reservations(table: str) -> Subject:
    return Subject(kind="reservation", id=table, title=table.replace("_", " "))


def lock_family(name: str) -> Subject:
    return Subject(kind="lock", id=name, title=f"locks of {name}", arguments={"family": name})


def lock(key: str, family: str) -> Subject:
    return Subject(kind="lock", id=key, title=key, arguments={"family": family, "lock": key})


def alert(name: str, labels: dict[str, str], key: str) -> Subject:
    """One firing alert. Its label may name the provider that it is about."""
    about = {"provider": labels["provider"]} if labels.get("provider") else {}
    return Subject(kind="alert", id=key, title=name, arguments={"alert": name, **about})


def finding(text: str) -> Subject:
    return Subject(kind="finding", id=text, title=text)


def check(name: str) -> Subject:
    return Subject(kind="check", id=name, title=f"the check {name}")


def change(change: Change) -> Subject:
    """One change; a provider's and a pod's also gives what can be done to it. A container is a pod."""
    kind = change.subject.partition(" ")[0]
    kind = "pod" if kind == "container" else kind
    arguments = {kind: change.target} if kind in ("provider", "pod") and change.target else {}
    return Subject(kind="change", id=change_id(change), title=change.text or change.subject, arguments=arguments)
