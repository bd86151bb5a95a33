"""kubernetes_asyncio without its models: only its client and session.

Its packages import a thousand modules, one per model: 0.6 s and 45 MB that nobody here uses, and urllib3 for proxy
logins. So the packages named below are registered without running. A package runs when someone asks it for a name that
it lacks: for other users in this process the library is complete.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

PACKAGE = "kubernetes_asyncio"
POSTPONED = (PACKAGE, f"{PACKAGE}.client", f"{PACKAGE}.client.models")
UNUSED = "urllib3"  # imported by the client, which needs it for proxies' logins only
CLASSES = {"Configuration": "configuration", "ApiClient": "api_client"}  # class of `client` -> the module it is in


def load() -> None:
    """Import what the console needs of the library; all of it where it is not laid out as expected.

    Raises ImportError where it is not installed.
    """
    if PACKAGE in sys.modules:
        return
    try:
        for name in (UNUSED, *POSTPONED):
            if name not in sys.modules:
                _postpone(name)
        client = sys.modules[f"{PACKAGE}.client"]
        for kind, module in CLASSES.items():
            setattr(client, kind, getattr(importlib.import_module(f"{PACKAGE}.client.{module}"), kind))
    except (ImportError, AttributeError):
        for name in [name for name in sys.modules if f"{name}.".startswith(f"{PACKAGE}.")]:
            del sys.modules[name]
        importlib.import_module(PACKAGE)


def _postpone(name: str) -> None:
    spec = find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"{name} is no package")
    module = module_from_spec(spec)
    vars(module)["__getattr__"] = partial(_wanted, module, spec)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def _wanted(module: ModuleType, spec: ModuleSpec, name: str) -> Any:
    """A name that the package does not have: one of its modules, or something that running it will bring."""
    # Modules that the package itself imports ask for its version: running it then would be a circle.
    if name == "__version__" and module.__name__ == PACKAGE:
        from importlib.metadata import version

        return version(PACKAGE)
    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
    if find_spec(f"{module.__name__}.{name}") is not None:
        return importlib.import_module(f"{module.__name__}.{name}")
    vars(module).pop("__getattr__", None)
    assert spec.loader is not None
    spec.loader.exec_module(module)
    return getattr(module, name)
