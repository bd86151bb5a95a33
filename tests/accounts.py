"""Consoles of several accounts in one process: each operator of a test has the account that is called like him."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from nexconsole.journal import FileOwner, Writer
from nexconsole.journal import proofs as proofs_module
from nexconsole.journal.layout import ELSEWHERE, JOURNAL


def account_by_name(here=Writer.here):
    """`Writer.here`, for which the account is the operator's own; what the kernel says is tried by tests of its own."""

    def by_name(operator: str) -> Writer:
        return msgspec.structs.replace(here(operator), account=operator.partition("@")[0])

    return staticmethod(by_name)


def owner_by_name(of=FileOwner.of):
    """`FileOwner.of`, for which a file that is called like an operator belongs to that account."""

    def by_name(file: Path, found: os.stat_result) -> FileOwner:
        account = file.name.removesuffix(ELSEWHERE).removesuffix(JOURNAL)  # which may have dots of its own
        return FileOwner(account, of(file, found).others_write)

    return staticmethod(by_name)


def accounts_by_name(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Have both in this process; `replace` is a monkeypatch's `setattr`, where it ends with a test."""
    replace(Writer, "here", account_by_name())
    replace(FileOwner, "of", owner_by_name())


def files_by_name(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Files belong to whom they are called like; this process's account is its own."""
    replace(FileOwner, "of", owner_by_name())


def hosts_by_folder(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Folders of one test are hosts of their own, though all have this host's name."""
    replace(proofs_module, "is_of", lambda writer, host: False)


def hosts_by_name(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Hosts are told apart by their names, as always but in tests."""
    replace(proofs_module, "is_of", _IS_OF)


def owner_by_kernel(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Whose a file is says the kernel, as always but in tests."""
    replace(FileOwner, "of", _OF)


def accounts_by_kernel(replace: Callable[[Any, str, Any], None] = setattr) -> None:
    """Accounts, owners and hosts are those that other processes see."""
    replace(Writer, "here", _HERE)
    owner_by_kernel(replace)
    hosts_by_name(replace)


_HERE = Writer.__dict__["here"]
_OF = FileOwner.__dict__["of"]
_IS_OF = proofs_module.is_of
