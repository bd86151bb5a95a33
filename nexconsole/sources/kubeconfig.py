"""Reads and merges kubeconfig files as kubectl does, and validates them; an error is one sentence.

The first file that sets a value wins, per name for clusters, users and contexts. Missing files are skipped, an empty
one is allowed, and a relative path is relative to its file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from ..errors import SourceError, in_words
from ..text.sanitize import clean

LARGEST_FILE = 8 << 20
DEEPEST = 60  # levels of a document


class NamedEntry(msgspec.Struct, frozen=True, rename="kebab"):
    """Unknown fields are skipped, as kubectl does."""


class Variable(msgspec.Struct, frozen=True):
    name: str = ""
    value: str = ""


class Exec(msgspec.Struct, frozen=True, rename="camel"):
    """A credential plugin. (client.authentication.k8s.io)"""

    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    api_version: str = ""
    interactive_mode: str = ""
    provide_cluster_info: bool = False
    install_hint: str = ""


class AuthProvider(NamedEntry, frozen=True):
    name: str = ""


class Extension(NamedEntry, frozen=True):
    name: str = ""
    extension: Any = None


class ClusterEntry(NamedEntry, frozen=True):
    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: tuple[Extension, ...] = ()


class UserEntry(NamedEntry, frozen=True):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    as_user: str = msgspec.field(default="", name="as")
    as_uid: str = ""
    as_groups: tuple[str, ...] = ()
    as_user_extra: Mapping[str, tuple[str, ...]] = {}
    auth_provider: AuthProvider | None = None
    exec: Exec | None = None

    __repr__ = object.__repr__  # it holds secrets


class ContextEntry(NamedEntry, frozen=True):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class NamedCluster(NamedEntry, frozen=True):
    name: str = ""
    cluster: ClusterEntry = ClusterEntry()


class NamedUser(NamedEntry, frozen=True):
    name: str = ""
    user: UserEntry = UserEntry()


class NamedContext(NamedEntry, frozen=True):
    name: str = ""
    context: ContextEntry = ContextEntry()


class Document(NamedEntry, frozen=True):
    current_context: str = ""
    clusters: tuple[NamedCluster, ...] = ()
    users: tuple[NamedUser, ...] = ()
    contexts: tuple[NamedContext, ...] = ()


T = TypeVar("T")


@dataclass(frozen=True)
class FileEntry(Generic[T]):
    """An entry, and the file that it stands in."""

    entry: T
    file: str

    def path(self, written: str) -> str:
        """A path that the entry holds, relative to its file's folder."""
        return os.path.join(os.path.dirname(os.path.abspath(self.file)), written) if written else ""


@dataclass(frozen=True)
class Kubeconfig:
    """The merged files. `files` are those that exist, in their order."""

    files: tuple[str, ...]
    current_context: str = ""
    clusters: Mapping[str, FileEntry[ClusterEntry]] = field(default_factory=dict)
    users: Mapping[str, FileEntry[UserEntry]] = field(default_factory=dict)
    contexts: Mapping[str, FileEntry[ContextEntry]] = field(default_factory=dict)


def listed(paths: str) -> tuple[str, ...]:
    """The files that KUBECONFIG or the setting names, without doubles, with ~ as the account's folder."""
    parts = (os.path.expanduser(part) for part in paths.split(os.pathsep) if part)
    return tuple(dict.fromkeys(parts))


def read(paths: str) -> Kubeconfig:
    """Read and merge. Raises SourceError with file and key."""
    wanted = listed(paths)
    files = tuple(file for file in wanted if os.path.lexists(file))
    if not files:
        which = f"{clean(paths, 200)} does not exist" if len(wanted) == 1 else f"none of {clean(paths, 200)} exists"
        raise SourceError("kubernetes", f"kubeconfig {which}: set kubernetes.kubeconfig")
    return merge((file, _document(file)) for file in files)


def merge(documents: Iterable[tuple[str, Document]]) -> Kubeconfig:
    """The first file that sets a value wins."""
    files: list[str] = []
    current = ""
    clusters: dict[str, FileEntry[ClusterEntry]] = {}
    users: dict[str, FileEntry[UserEntry]] = {}
    contexts: dict[str, FileEntry[ContextEntry]] = {}
    for file, document in documents:
        files.append(file)
        current = current or document.current_context
        for cluster in document.clusters:
            clusters.setdefault(cluster.name, FileEntry(cluster.cluster, file))
        for user in document.users:
            users.setdefault(user.name, FileEntry(user.user, file))
        for context in document.contexts:
            contexts.setdefault(context.name, FileEntry(context.context, file))
    return Kubeconfig(tuple(files), current, clusters, users, contexts)


def refused(file: str, why: str, key: str = "") -> SourceError:
    """The sentence for a kubeconfig that can't be used; never with a value out of it."""
    place = f"{clean(file, 200)}: {clean(key, 120)}" if key else clean(file, 200)
    return SourceError("kubernetes", f"kubeconfig {place}: {why}")


def _document(file: str) -> Document:
    import yaml

    try:
        raw = yaml.load(_text(file), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        document = {} if raw is None else _pruned(raw, {}, 0)
        found = msgspec.convert(document, Document)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise refused(file, f"is not YAML{where}: it is not a kubeconfig") from None
    except msgspec.ValidationError as error:  # its text has types and places, and no value
        text, _, place = str(error).replace("`", "").partition(" - at $")
        raise refused(file, f"{text[:1].lower()}{text[1:]}: it is not a kubeconfig", place.lstrip(".")) from None
    except (RecursionError, ValueError) as error:
        why = "is nested too deeply" if isinstance(error, RecursionError) else "holds a value that is none of YAML's"
        raise refused(file, f"{why}: it is not a kubeconfig") from None
    for kind in ("clusters", "users", "contexts"):
        _named_once(file, kind, [entry.name for entry in getattr(found, kind)])
    return found


def _text(file: str) -> str:
    """A plain file's text, bounded."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as opened:
            if not stat.S_ISREG(os.fstat(handle).st_mode) and file != os.devnull:
                raise refused(file, "is not a plain file")
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise refused(file, f"can't be read: {in_words(error)}") from error
    if len(content) > LARGEST_FILE:
        raise refused(file, f"is larger than {LARGEST_FILE >> 20} MB: it is not a kubeconfig")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refused(file, "is not UTF-8 text: it is not a kubeconfig") from None


def _pruned(node: Any, seen: dict[int, Any], depth: int) -> Any:
    """The document without nulls, which mean the same as absent; what is aliased is looked at once."""
    if depth > DEEPEST:
        raise RecursionError
    if not isinstance(node, dict | list):
        return node
    if id(node) not in seen:
        if isinstance(node, dict):
            table: dict[Any, Any] = {}
            seen[id(node)] = table
            table |= {key: _pruned(value, seen, depth + 1) for key, value in node.items() if value is not None}
        else:
            row: list[Any] = []
            seen[id(node)] = row
            row += [_pruned(value, seen, depth + 1) for value in node if value is not None]
    return seen[id(node)]


def _named_once(file: str, kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise refused(file, f"there are two of the name {clean(name, 60) or 'nothing'}", kind)
