"""The API server's refusals: Status objects, worded as the real one words them."""

from __future__ import annotations

from typing import Any

from .discovery import ApiResource


class Refusal(Exception):
    """An answer that is not a success. `code` is the HTTP status, `reason` the machine's word for it."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details

    def status(self) -> dict[str, Any]:
        head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": str(self)}
        details = {"details": self.details} if self.details else {}
        return {**head, "reason": self.reason, **details, "code": self.code}


def details(resource: ApiResource, name: str = "", **more: Any) -> dict[str, Any]:
    entries = {"name": name, "group": resource.group, "kind": resource.plural, **more}
    return {key: value for key, value in entries.items() if value}


def unauthorized() -> Refusal:
    return Refusal(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, resource: ApiResource, name: str, sub: str, namespace: str) -> Refusal:
    what = f"{resource.qualified} is forbidden" if not name else f'{resource.qualified} "{name}" is forbidden'
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    full = "/".join(part for part in (resource.plural, sub) if part)
    told = f'User "{user}" cannot {verb} resource "{full}" in API group "{resource.group}" {where}'
    return Refusal(403, "Forbidden", f"{what}: {told}", details(resource, name))


def denied(webhook: str, reason: str) -> Refusal:
    """An admission webhook says no: not RBAC, though the code is the same."""
    return Refusal(403, "Forbidden", f'admission webhook "{webhook}" denied the request: {reason}')


def no_such_route() -> Refusal:
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


def not_found(resource: ApiResource, name: str) -> Refusal:
    return Refusal(404, "NotFound", f'{resource.qualified} "{name}" not found', details(resource, name))


def not_allowed() -> Refusal:
    sentence = "the server does not allow this method on the requested resource"
    return Refusal(405, "MethodNotAllowed", sentence, {})


def not_acceptable() -> Refusal:
    return Refusal(406, "NotAcceptable", "only the following media types are accepted: application/json")


def conflict(resource: ApiResource, name: str, why: str) -> Refusal:
    sentence = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Refusal(409, "Conflict", sentence, details(resource, name))


def modified(resource: ApiResource, name: str) -> Refusal:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def gone(sentence: str) -> Refusal:
    return Refusal(410, "Expired", sentence)


def unsupported_media(accepted: tuple[str, ...]) -> Refusal:
    told = ", ".join(accepted)
    sentence = f"the body of the request was in an unknown format - accepted media types include: {told}"
    return Refusal(415, "UnsupportedMediaType", sentence)


def invalid(resource: ApiResource, kind: str, name: str, field: str, why: str) -> Refusal:
    qualified = f"{kind}.{resource.group}" if resource.group else kind
    causes = [{"reason": "FieldValueInvalid", "message": why, "field": field}]
    sentence = f'{qualified} "{name}" is invalid: {field}: {why}'
    return Refusal(422, "Invalid", sentence, {**details(resource, name), "kind": kind, "causes": causes})


def bad_request(sentence: str) -> Refusal:
    return Refusal(400, "BadRequest", sentence)
