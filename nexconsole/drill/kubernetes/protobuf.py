"""The two reviews as kubectl sends them: protobuf inside the envelope of Kubernetes."""

from __future__ import annotations

from typing import Any

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
RESOURCE = {1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource", 7: "name"}
PATH = {1: "path", 2: "verb"}


def review(body: bytes) -> dict[str, Any]:
    """A SelfSubjectAccessReview or SelfSubjectRulesReview as its JSON would be; ValueError where it is neither."""
    if not body.startswith(MAGIC):
        raise ValueError("the body does not start with the protobuf envelope")
    envelope = _fields(body[len(MAGIC) :])
    kind = _text(_fields(envelope.get(1, b"")), 2)
    spec = _fields(_fields(envelope.get(2, b"")).get(2, b""))
    if kind == "SelfSubjectRulesReview":
        return {"spec": {"namespace": _text(spec, 1)}}
    if kind != "SelfSubjectAccessReview":
        raise ValueError(f"a body of kind {kind!r} is not understood as protobuf")
    asked = {"resourceAttributes": (1, RESOURCE), "nonResourceAttributes": (2, PATH)}
    return {"spec": {key: _named(spec[number], names) for key, (number, names) in asked.items() if number in spec}}


def _named(message: bytes, names: dict[int, str]) -> dict[str, str]:
    found = _fields(message)
    return {name: _text(found, number) for number, name in names.items() if found.get(number)}


def _text(fields: dict[int, bytes], number: int) -> str:
    return fields.get(number, b"").decode()


def _fields(message: bytes) -> dict[int, bytes]:
    """A message's length-delimited fields by number, the last of each; the others are passed over."""
    found, at = {}, 0
    while at < len(message):
        key, at = _varint(message, at)
        size = {FIXED64: 8, FIXED32: 4}.get(key & 7, 0)
        if key & 7 == VARINT:
            _, at = _varint(message, at)
            continue
        if key & 7 == BYTES:
            size, at = _varint(message, at)
            found[key >> 3] = message[at : at + size]
        if (not size and key & 7 != BYTES) or at + size > len(message):
            raise ValueError("the protobuf body is cut short or damaged")
        at += size
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("the protobuf body is cut short or damaged")
