"""Which cluster, namespace and account: chosen out of the kubeconfig as kubectl would, and pinned.

The context that a process begins with stays its context, whatever `kubectl config use-context` does meanwhile: the
console and each kubectl line that it prints act on the same one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..settings.tables import AS_KUBECTL, IN_CLUSTER
from ..text.sanitize import clean
from . import kubeconfig
from .kubeconfig import ClusterEntry, Exec, FileEntry, Kubeconfig, UserEntry

if TYPE_CHECKING:
    from .. import settings

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SOCKS = ("socks", "socks4", "socks4a", "socks5", "socks5h")
EXTENSION = "client.authentication.k8s.io/exec"  # what a cluster entry hands to a credential plugin


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How the API server is verified: `ca` is a file, `ca_data` base64; neither: what this machine trusts."""

    ca: str = ""
    ca_data: str = ""
    skip: bool = False
    server_name: str = ""


@dataclass(frozen=True, kw_only=True)
class Login:
    """By what the API server knows us. Of `token` and `token_file` the file wins while it can be read."""

    token: str = field(default="", repr=False)
    token_file: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    certificate: str = ""
    certificate_data: str = field(default="", repr=False)
    key: str = ""
    key_data: str = field(default="", repr=False)
    plugin: Exec | None = field(default=None, repr=False)
    plugin_folder: str = ""  # of the kubeconfig that names it
    plugin_config: Any = field(default=None, repr=False)
    over_http: bool = False

    @property
    def kind(self) -> str:
        """For people: what they would renew."""
        if self.token_file:
            return f"the token in {clean(self.token_file, 120)}"
        if self.token:
            return "the kubeconfig's token"
        if self.plugin is not None:
            return f"what the credential plugin {clean(os.path.basename(self.plugin.command), 60)} gave"
        if self.username:
            return f"the password of {clean(self.username, 60)}"
        if self.certificate or self.certificate_data:
            return "the kubeconfig's client certificate"
        return "no credentials (none are sent over http://)" if self.over_http else "a kubeconfig without credentials"


@dataclass(frozen=True, kw_only=True)
class Impersonation:
    """Whom the kubeconfig says to act as; empty for oneself."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Access:
    """One cluster, one namespace, one account. The origins are for people."""

    server: str
    context: str
    cluster: str
    user: str
    namespace: str
    origin: str
    namespace_origin: str
    files: tuple[str, ...] = ()
    trust: Trust = Trust()
    login: Login = Login()
    acting_as: Impersonation = Impersonation()
    proxy: str = ""

    @property
    def account(self) -> str:
        who = clean(self.user, 80) or "nobody"
        return f"{who}, acting as {clean(self.acting_as.user, 80)}" if self.acting_as.user else who

    @property
    def place(self) -> str:
        """Short, for a header: the context (or the cluster, where there is none) and the namespace; of an address such
        as EKS makes a name of ("arn:aws:eks:...:cluster/prod") the end."""
        name = clean(self.context or self.cluster, 200).rpartition("/")[2]
        return f"{clean(name, 40)}/{clean(self.namespace, 60)}"

    def __str__(self) -> str:
        context = f"context {clean(self.context, 80)}, " if self.context else ""
        return (
            f"{context}cluster {clean(self.cluster, 80)} at {clean(self.server, 120)}, namespace"
            f" {clean(self.namespace, 60)} ({self.namespace_origin}), account {self.account}, from {self.origin}"
        )


_began_with: dict[tuple[str, str], str] = {}  # (the setting, its context) -> the context that this process keeps
_known: dict[tuple[str, str, str], tuple[float, object, Access]] = {}
RECENT_S = 10.0  # what the connection has looked at within it will do for words and commands


def access(chosen: settings.KubernetesSettings, max_age_s: float = 0.0) -> Access:
    """What the settings and the kubeconfig say now, or said `max_age_s` seconds ago. Raises SourceError with file and
    key.

    Reads files only where one of them has changed. A file system may hang: the connection asks from a thread.
    """
    key = (chosen.kubeconfig, chosen.context, chosen.namespace)
    now = time.monotonic()
    if key in _known and now - _known[key][0] < max_age_s:
        return _known[key][2]
    signature = _signature(chosen.kubeconfig)
    found = _known[key][2] if key in _known and _known[key][1] == signature else _find(chosen)
    _known[key] = (now, signature, found)
    return found


def namespace(chosen: settings.KubernetesSettings) -> str:
    """The namespace in words and commands; the settings' or "default" while the kubeconfig can't be used."""
    try:
        return access(chosen, RECENT_S).namespace
    except SourceError:
        return chosen.namespace or "default"


def implicit(chosen: settings.KubernetesSettings) -> bool:
    """Whether nobody has named the cluster: it is the one that kubectl would take."""
    return chosen.kubeconfig == AS_KUBECTL


def _find(chosen: settings.KubernetesSettings) -> Access:
    path = chosen.kubeconfig
    if path == AS_KUBECTL:
        path = "~/.kube/config" if os.path.exists(os.path.expanduser("~/.kube/config")) else IN_CLUSTER
    if path == IN_CLUSTER:
        return _in_cluster(chosen)
    return _chosen(kubeconfig.read(path), chosen)


def _signature(setting: str) -> object:
    if setting in (IN_CLUSTER, AS_KUBECTL):
        paths = ("~/.kube/config",) if setting == AS_KUBECTL else ()
        files = (*paths, str(SERVICE_ACCOUNT / "namespace"))
    else:
        files = kubeconfig.listed(setting)
    return [_stamp(os.path.expanduser(file)) for file in files]


def _stamp(file: str) -> object:
    try:
        seen = os.stat(file)
    except OSError as error:
        return error.errno
    return seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_dev


def _chosen(merged: Kubeconfig, chosen: settings.KubernetesSettings) -> Access:
    files, pin = merged.files, (chosen.kubeconfig, chosen.context)
    name = chosen.context or _began_with.get(pin) or merged.current_context
    if not name:
        raise kubeconfig.refused(files[0], "is not set: set kubernetes.context", "current-context")
    context = merged.contexts.get(name)
    if context is None:
        known = ", ".join(clean(context, 60) for context in list(merged.contexts)[:8]) or "none"
        gone = ", with which this console began" if pin in _began_with and not chosen.context else ""
        raise kubeconfig.refused(
            files[0], f"there is no context {clean(name, 80)}{gone}: there are {known}", "contexts"
        )
    cluster = _entry(merged.clusters, context.entry.cluster, context.file, "clusters")
    user = FileEntry(UserEntry(), context.file)
    if context.entry.user:
        user = _entry(merged.users, context.entry.user, context.file, "users")
    trust = _trust(cluster, context.entry.cluster)
    settled, why = _namespace(chosen.namespace, context.entry.namespace, f"of context {clean(name, 80)}")
    server = _server(cluster, context.entry.cluster, trust)
    login = _login(user, context.entry.user, cluster.entry)
    found = Access(
        server=server,
        context=name,
        cluster=context.entry.cluster,
        user=context.entry.user,
        namespace=settled,
        namespace_origin=why,
        origin=_origin(chosen.kubeconfig, files),
        files=files,
        trust=trust,
        login=login if server.startswith("https://") else Login(over_http=True),  # as kubectl does it
        acting_as=_acting_as(user, context.entry.user),
        proxy=_proxy(cluster, context.entry.cluster),
    )
    _began_with.setdefault(pin, name)
    return found


def _entry(entries: Mapping[str, FileEntry[Any]], name: str, file: str, kind: str) -> FileEntry[Any]:
    file_entry = entries.get(name)
    if file_entry is None:
        raise kubeconfig.refused(file, f"there is no {kind[:-1]} {clean(name, 80) or 'without a name'}", kind)
    return file_entry


def _origin(setting: str, files: tuple[str, ...]) -> str:
    named = ", ".join(clean(file, 120) for file in files)
    return f"{named} (as kubectl: kubernetes.kubeconfig is not set)" if setting == AS_KUBECTL else named


def _namespace(setting: str, given: str, where: str) -> tuple[str, str]:
    if setting:
        return setting, "set by kubernetes.namespace"
    if given:
        return given, where
    return "default", f"Kubernetes' default: none is set by kubernetes.namespace or {where.removeprefix('of ')}"


def _server(cluster: FileEntry[ClusterEntry], name: str, trust: Trust) -> str:
    """The address with a scheme, as client-go completes it."""
    server, key = cluster.entry.server.strip(), f"clusters[{name}].cluster.server"
    if not server:
        raise kubeconfig.refused(cluster.file, "is not set", key)
    if "://" not in server:
        server = ("https://" if trust != Trust() else "http://") + server
    return _address(server, ("http", "https"), cluster.file, key).rstrip("/")


def _address(url: str, schemes: tuple[str, ...], file: str, key: str) -> str:
    from yarl import URL

    try:
        parsed = URL(url)
        good = parsed.scheme in schemes and bool(parsed.host) and bool(parsed.port)
    except (ValueError, TypeError):
        good = False
    if not good:
        raise kubeconfig.refused(file, f"is not an address that begins with {' or '.join(schemes)}", key)
    return url


def _proxy(cluster: FileEntry[ClusterEntry], name: str) -> str:
    url, key = cluster.entry.proxy_url.strip(), f"clusters[{name}].cluster.proxy-url"
    if not url:
        return ""
    if url.partition("://")[0].lower() in SOCKS:
        raise kubeconfig.refused(cluster.file, "is a SOCKS proxy, which the console can't use: name an http one", key)
    return _address(url, ("http", "https"), cluster.file, key)


def _trust(cluster: FileEntry[ClusterEntry], name: str) -> Trust:
    entry = cluster.entry
    has_ca = bool(entry.certificate_authority or entry.certificate_authority_data)
    if has_ca and entry.insecure_skip_tls_verify:
        why = "is set beside a certificate-authority: kubectl refuses both together"
        raise kubeconfig.refused(cluster.file, why, f"clusters[{name}].cluster.insecure-skip-tls-verify")
    data = entry.certificate_authority_data
    return Trust(
        ca="" if data else cluster.path(entry.certificate_authority),
        ca_data=data,
        skip=entry.insecure_skip_tls_verify,
        server_name=entry.tls_server_name,
    )


def _login(user: FileEntry[UserEntry], name: str, cluster: ClusterEntry) -> Login:
    entry, key = user.entry, f"users[{name}].user"
    if entry.auth_provider is not None:
        provider = clean(entry.auth_provider.name, 40) or "without a name"
        why = f"is {provider}: the console knows no auth-providers, use a credential plugin (exec) or a token"
        raise kubeconfig.refused(user.file, why, f"{key}.auth-provider")
    if (entry.token or entry.token_file) and entry.username:
        why = "more than one of token, tokenFile and username is set: kubectl allows one only"
        raise kubeconfig.refused(user.file, why, key)
    has_certificate = bool(entry.client_certificate or entry.client_certificate_data)
    if has_certificate != bool(entry.client_key or entry.client_key_data):
        raise kubeconfig.refused(user.file, "a client certificate needs its client-key, and the other way round", key)
    for variable in entry.exec.env if entry.exec else ():
        if not variable.name or "=" in variable.name or "\0" in variable.name + variable.value:
            raise kubeconfig.refused(user.file, "holds a variable without a usable name", f"{key}.exec.env")
    return Login(
        token=entry.token,
        token_file=user.path(entry.token_file),
        username=entry.username,
        password=entry.password,
        certificate="" if entry.client_certificate_data else user.path(entry.client_certificate),
        certificate_data=entry.client_certificate_data,
        key="" if entry.client_key_data else user.path(entry.client_key),
        key_data=entry.client_key_data,
        plugin=entry.exec,
        plugin_folder=os.path.dirname(os.path.abspath(user.file)) if entry.exec else "",
        plugin_config=next(
            (extension.extension for extension in cluster.extensions if extension.name == EXTENSION), None
        ),
    )


def _acting_as(user: FileEntry[UserEntry], name: str) -> Impersonation:
    entry = user.entry
    if not entry.as_user and (entry.as_uid or entry.as_groups or entry.as_user_extra):
        why = "as-uid, as-groups or as-user-extra without as: kubectl refuses that too"
        raise kubeconfig.refused(user.file, why, f"users[{name}].user")
    texts = [entry.as_user, entry.as_uid, *entry.as_groups]
    texts += [value for values in entry.as_user_extra.values() for value in values]
    if any(not text.isprintable() for text in texts):
        raise kubeconfig.refused(user.file, "as and what belongs to it must be printable", f"users[{name}].user")
    return Impersonation(user=entry.as_user, uid=entry.as_uid, groups=entry.as_groups, extra=dict(entry.as_user_extra))


def _in_cluster(chosen: settings.KubernetesSettings) -> Access:
    """The pod's own account. Raises SourceError where this process runs in no pod."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")
    token = SERVICE_ACCOUNT / "token"
    if not (host and port.isdigit() and os.path.exists(token)):
        where = "KUBERNETES_SERVICE_HOST and _PORT" if not (host and port.isdigit()) else str(token)
        raise SourceError("kubernetes", f"kubeconfig in-cluster can't be used: {where} is missing, so this is no pod")
    own = os.environ.get("POD_NAMESPACE", "")
    try:
        own = own or (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except (OSError, UnicodeDecodeError):
        own = ""
    settled, why = _namespace(chosen.namespace, own, "of this pod")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        context="",
        cluster="in-cluster",
        user="this pod's service account",
        namespace=settled,
        namespace_origin=why,
        origin="this pod's own account"
        + (" (as kubectl: kubernetes.kubeconfig is not set)" if implicit(chosen) else ""),
        trust=Trust(ca=str(SERVICE_ACCOUNT / "ca.crt")),
        login=Login(token_file=str(token)),
    )
