"""`nexconsole doctor` for several consoles: the shared incident folder, and the Redis between hosts."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import grp
import itertools
import os
import pwd
import secrets
import shlex
import stat
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..doctor.check import Check
from ..journal import journal_folder
from ..journal.accounts import own_account
from ..journal.files import MAX_FILE
from ..journal.layout import ELSEWHERE, JOURNAL
from ..model import utc_now
from ..settings import Settings
from ..storage.plain_files import not_plain, reason
from ..text.units import milliseconds
from . import role_checks
from .clocks import Clocks
from .lease_files import NOTIFIED
from .leases import FOLDER as LEASES
from .presence_files import FOLDER as HERE
from .redis_link import RIGHTS, RedisLink

if TYPE_CHECKING:
    import redis.asyncio

AREA = "war room"
TIMEOUT_S = 3.0
TRIAL_S = 60  # the throw-away keys' expiry, should they not be deleted
NAMED = 5  # files
MOST_NAMES = 20_000  # that are looked at
# Where locks and what is written may not be seen by other hosts at once.
BETWEEN_HOSTS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "9p", "fuse.sshfs", "fuse.glusterfs")
MEMBERS = "it must be a member of the group that the folder belongs to"


async def examine(settings: Settings, roles_file: str = "") -> tuple[Check, ...]:
    """Try whether several accounts, and consoles on several hosts, can work on one incident. Leaves nothing behind.
    `roles_file`: where `[roles]` stands, "" for nowhere."""
    folder = journal_folder(settings)
    checks = await asyncio.to_thread(lambda: (*_folder_checks(folder), *role_checks.examine(settings, roles_file)))
    return checks + await _redis_checks(settings)


# --- the folder -----------------------------------------------------------------------------------------------


def _folder_checks(folder: Path) -> Iterator[Check]:
    what = "incident folder"
    try:
        found = folder.stat()
    except OSError as error:
        yield Check(area=AREA, what=what, state="fail", said=f"{folder}: {reason(error)}", advice=_make(folder))
        return
    if not found.st_mode & (stat.S_ISGID | stat.S_IWGRP):
        said = f"{folder} is used by {_account(found.st_uid)} alone"
        yield Check(area=AREA, what=what, state="absent", said=said, advice=f"to share it with others: {_make(folder)}")
    else:
        yield from _group_checks(folder, found)
    yield _strange(folder)
    yield _locks(folder)


def _make(folder: Path) -> str:
    return f"install -d -m 3770 -g GROUP {shlex.quote(str(folder))}, with all its operators in GROUP"


def _group_checks(folder: Path, found: os.stat_result) -> Iterator[Check]:
    group, place, wrong = _group(found.st_gid), shlex.quote(str(folder)), []
    if not found.st_mode & stat.S_IWGRP or not found.st_mode & stat.S_IXGRP:
        wrong.append(("its group may not write in it", f"chmod g+rwx {place}"))
    if not found.st_mode & stat.S_ISGID:
        wrong.append(("new files don't get its group", f"chmod g+s {place}"))
    if os.geteuid() != 0 and found.st_gid not in {os.getegid(), *os.getgroups()}:
        me = own_account()
        wrong.append((f"{me} is no member of its group {group}", f"usermod -aG {group} {me}, and log in again"))
    for said, advice in wrong:
        yield Check(area=AREA, what="incident folder", state="fail", said=f"{folder}: {said}", advice=advice)
    if found.st_mode & stat.S_IRWXO:
        said = f"{folder}: every account of this host gets in"
        yield Check(area=AREA, what="incident folder", state="warn", said=said, advice=f"chmod o-rwx {place}")
    if not found.st_mode & stat.S_ISVTX:
        said = f"{folder}: each of its group can take away what another has written there"
        yield Check(area=AREA, what="incident folder", state="warn", said=said, advice=f"chmod +t {place}")
    if not wrong:
        said = f"{folder} is shared by the group {group}"
        yield Check(area=AREA, what="incident folder", state="ok", said=said)
    yield _files(folder, found.st_gid, group)


def _files(folder: Path, gid: int, group: str) -> Check:
    """Whether each file of ours is open to the folder's group: one that isn't shuts others out of an incident."""
    shut, count = [], 0
    for file in _ours(folder):
        try:
            found = file.lstat()
        except FileNotFoundError:  # somebody has just left
            continue
        count += 1
        needed = 0o2770 if stat.S_ISDIR(found.st_mode) else 0o660
        if found.st_gid != gid or stat.S_IMODE(found.st_mode) & needed != needed:
            shut.append(str(file))
    if not shut:
        return Check(area=AREA, what="files", state="ok", said=f"{count} files and folders, open to the group {group}")
    more = f" and {len(shut) - NAMED} more" if len(shut) > NAMED else ""
    said = f"not open to the group {group}: {', '.join(shut[:NAMED])}{more}"
    place = shlex.quote(str(folder))
    modes = f"chmod ug+rwX,o= {place} {place}/*.jsonl*; chmod g+s {place}"
    advice = f"chgrp -R {group} {place}; {modes} (as the files' owner, or root)"
    return Check(area=AREA, what="files", state="fail", said=said, advice=advice)


def _strange(folder: Path) -> Check:
    """What lies in the place of a file of ours and is none: consoles pass it over, and somebody must take it away."""
    bad: list[str] = []
    try:
        for file in itertools.islice(_ours(folder), MOST_NAMES):
            with contextlib.suppress(FileNotFoundError):  # somebody has just left
                found = file.lstat()
                if what := _wrong(file, found):
                    bad.append(f"{file.name} {what}")
    except OSError as error:
        return Check(area=AREA, what="strange files", state="fail", said=f"{folder}: {reason(error)}", advice=MEMBERS)
    if not bad:
        return Check(area=AREA, what="strange files", state="ok", said="none: every journal and lease is a plain file")
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    said = f"passed over by every console: {'; '.join(bad[:NAMED])}{more}"
    advice = f"look who put them there, and move them away from {shlex.quote(str(folder))}"
    return Check(area=AREA, what="strange files", state="warn", said=said, advice=advice)


def _wrong(file: Path, found: os.stat_result) -> str:
    """What is wrong with a file of ours; "" for nothing."""
    if file.name in (HERE, LEASES, NOTIFIED):
        return "" if stat.S_ISDIR(found.st_mode) else "is not a folder"
    if what := not_plain(found.st_mode):
        return what.partition(",")[0].removeprefix("it ")
    if found.st_size > MAX_FILE:
        return f"has {found.st_size >> 20} MiB, more than any journal"
    return "" if os.access(file, os.R_OK) else "may not be read by this account"


def _ours(folder: Path) -> Iterator[Path]:
    for file in folder.iterdir():
        if file.name.endswith((JOURNAL, JOURNAL + ELSEWHERE, JOURNAL + ".last")):
            yield file
        elif file.name in (HERE, LEASES, NOTIFIED):
            yield file
            if stat.S_ISDIR(file.lstat().st_mode):
                yield from (one for one in file.iterdir() if one.suffix in ("", ".json"))


def _locks(folder: Path) -> Check:
    """Whether a lock that one console holds keeps another out."""
    trial = folder / f".trial-{secrets.token_hex(4)}"
    kind = _file_system(folder)
    try:
        trial.touch(0o600)
        try:
            with trial.open("rb") as one, trial.open("rb") as other:
                fcntl.flock(one, fcntl.LOCK_EX)
                try:
                    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    held = False
                except BlockingIOError:
                    held = True
        finally:
            trial.unlink()
    except OSError as error:
        said = f"can't be tried: {reason(error)}"
        return Check(area=AREA, what="locks", state="fail", said=said, advice=f"{MEMBERS}, or choose another folder")
    if not held:
        said = f"this file system ({kind}) does not hold them: two consoles could execute on one target at once"
        return Check(area=AREA, what="locks", state="fail", said=said, advice="set journal.folder to a local disk")
    if kind in BETWEEN_HOSTS:
        said = f"held on this host; between hosts {kind} may not hold them"
        advice = "give each host a folder of its own, and set warroom.redis_url"
        return Check(area=AREA, what="locks", state="warn", said=said, advice=advice)
    return Check(area=AREA, what="locks", state="ok", said=f"held ({kind})")


def _file_system(folder: Path) -> str:
    """Its kind, as mountinfo has it; the longest mount point above the folder counts."""
    best, kind = "", "unknown file system"
    place = f"{folder.resolve()}/"
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return kind
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = fields.split(" ")[4].replace("\\040", " ").rstrip("/") + "/"
        if place.startswith(point) and len(point) >= len(best):
            best, kind = point, rest.split(" ")[0]
    return kind


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# --- Redis ----------------------------------------------------------------------------------------------------


async def _redis_checks(settings: Settings) -> tuple[Check, ...]:
    link = RedisLink(settings)
    if not link.configured:
        said = "no Redis between hosts: consoles on other hosts don't share an incident with these"
        return (Check(area=AREA, what="redis", state="absent", said=said, advice="set warroom.redis_url"),)
    try:
        client = await link.open(TIMEOUT_S)
        began = time.perf_counter()
        await client.ping()
        said = f"answers in {milliseconds((time.perf_counter() - began) * 1000)}"
        checks = [Check(area=AREA, what="redis", state="ok", said=said)]
        if settings.warroom.redis_url == settings.redis.url:
            said = "it is the Redis that NexNum itself depends on: while that is ill, hosts don't see each other"
            checks.append(Check(area=AREA, what="redis", state="warn", said=said, advice="give the war room its own"))
        checks.append(await _clock(client))
        for what, attempt in (("entries", _entries), ("leases", _leases), ("presence", _presence)):
            checks.append(await _allowed(link, client, what, attempt))
        return tuple(checks)
    except Exception as error:
        said = link.explain(error)
        advice = "check warroom.redis_url; until then each host works on its own journal, and catches up afterwards"
        return (Check(area=AREA, what="redis", state="fail", said=said, advice=advice),)
    finally:
        await link.close()


async def _clock(client: redis.asyncio.Redis) -> Check:
    """Whether this host's clock agrees with that of the Redis that other hosts use."""
    clocks = Clocks()
    await clocks.measure(client, utc_now)
    if clocks.server_s is None:
        said = "the time of this Redis can't be read: whether the hosts' clocks agree is not known"
        return Check(area=AREA, what="clock", state="absent", said=said, advice=RIGHTS)
    if clocks.skew:
        advice = "set this host's clock (timedatectl, chrony): its entries carry wrong times, in the right order"
        return Check(area=AREA, what="clock", state="warn", said=clocks.skew[0], advice=advice)
    return Check(area=AREA, what="clock", state="ok", said="this host's clock agrees with that of Redis")


async def _allowed(
    link: RedisLink,
    client: redis.asyncio.Redis,
    what: str,
    attempt: Callable[[redis.asyncio.Redis, RedisLink, str], Awaitable[str]],
) -> Check:
    """Try commands on a key of nobody's, which expires and is deleted."""
    key = link.key("doctor", secrets.token_hex(8))
    try:
        return Check(area=AREA, what=what, state="ok", said=f"{await attempt(client, link, key)} are allowed")
    except Exception as error:
        return Check(area=AREA, what=what, state="fail", said=link.explain(error), advice=RIGHTS)


async def _entries(client: redis.asyncio.Redis, link: RedisLink, key: str) -> str:
    await client.xadd(key, {"trial": "x"}, maxlen=1, approximate=True)
    try:
        await client.expire(key, TRIAL_S)
        await client.xread({key: "0-0"}, count=1)
        await client.xrange(key, count=1)
        await client.xlen(key)
    finally:
        await client.delete(key)
    return "XADD, XREAD, XRANGE, XLEN, EXPIRE and DEL"


async def _leases(client: redis.asyncio.Redis, link: RedisLink, key: str) -> str:
    script = "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return redis.call('DEL', KEYS[1])"
    await client.execute_command("EVAL", script, 1, key, "trial", 1000)
    await client.set(key, "trial", ex=TRIAL_S)
    await client.mget([key])
    await client.delete(key)
    return "EVAL, SET, MGET and DEL"


async def _presence(client: redis.asyncio.Redis, link: RedisLink, key: str) -> str:
    async with client.pubsub() as channel:
        await channel.subscribe(key)
        await channel.get_message(timeout=TIMEOUT_S)  # the server's word on it
        await client.publish(key, "trial")
    return "PUBLISH and SUBSCRIBE"
