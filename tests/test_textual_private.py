"""What the console uses of Textual's and Rich's private parts is where it was, and stands in one module.

A test that fails after another version was installed says what has moved: adapt `widgets/textual_private.py`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

import nexconsole
from nexconsole import screens
from nexconsole.app import NexConsole
from nexconsole.replay_app import ReplayApp
from nexconsole.widgets.driver import non_blocking

PACKAGE = Path(nexconsole.__file__).parent
HOME = PACKAGE / "widgets" / "textual_private.py"
# "module:Class.method" -> its signature
METHODS = {
    "textual.app:App._display": "(self, screen: 'Screen', renderable: 'RenderableType | None') -> 'None'",
    "textual.app:App._fatal_error": "(self) -> 'None'",
    "textual.message_pump:MessagePump._close_messages_no_wait": "(self) -> 'None'",
    "textual._compositor:CompositorUpdate.render_segments": "(self, console: 'Console') -> 'str'",
    "textual._compositor:Compositor.render_update": (
        "(self, full: 'bool' = False, screen_stack: 'list[Screen] | None' = None, simplify: 'bool' = False)"
        " -> 'RenderableType | None'"
    ),
    "textual._compositor:LayoutUpdate.__init__": (
        "(self, strips: 'list[Iterable[Strip]]', region: 'Region') -> 'None'"
    ),
    "textual._compositor:ChopsUpdate.__init__": (
        "(self, chops: 'Sequence[Mapping[int, Strip | None]]', spans: 'list[tuple[int, int, int]]',"
        " chop_ends: 'list[list[int]]') -> 'None'"
    ),
    "textual._xterm_parser:XTermParser.__init__": "(self, debug: 'bool' = False) -> 'None'",
    "textual._xterm_parser:XTermParser.feed": "(self, data: 'str') -> 'Iterable[Message]'",
    "textual._xterm_parser:XTermParser.tick": "(self) -> 'Iterable[T]'",
    "textual.drivers.linux_driver:LinuxDriver.__init__": (
        "(self, app: 'App', *, debug: 'bool' = False, mouse: 'bool' = True, size: 'tuple[int, int] | None' = None)"
        " -> 'None'"
    ),
    "textual.drivers.linux_driver:LinuxDriver._get_terminal_size": "(self) -> 'tuple[int, int]'",
    "textual.drivers.linux_driver:LinuxDriver._enable_mouse_support": "(self) -> 'None'",
    "textual.drivers.linux_driver:LinuxDriver._enable_mouse_pixels": "(self) -> 'None'",
    "textual.drivers.linux_driver:LinuxDriver._run_input_thread": "(self) -> 'None'",
    "textual.drivers.linux_driver:LinuxDriver.run_input_thread": "(self) -> 'None'",
    "textual.drivers.linux_driver:LinuxDriver.start_application_mode": "(self)",
    "textual.drivers.linux_driver:LinuxDriver.stop_application_mode": "(self) -> 'None'",
    "textual.drivers.linux_driver:LinuxDriver.write": "(self, data: 'str') -> 'None'",
    "textual.drivers.linux_driver:LinuxDriver.close": "(self) -> 'None'",
    "textual_serve.app_service:AppService._build_environment": (
        "(self, width: 'int' = 80, height: 'int' = 24) -> 'dict[str, str]'"
    ),
    "textual_serve.app_service:AppService._open_app_process": (
        "(self, width: 'int' = 80, height: 'int' = 24) -> 'Process'"
    ),
    "textual_serve.server:Server._process_messages": (
        "(self, websocket: 'web.WebSocketResponse', app_service: 'AppService') -> 'None'"
    ),
}
# "module:Class.property" -> the annotation of its value
PROPERTIES = {
    "textual.app:App._background_screens": "list[Screen]",
    "textual._compositor:Compositor.visible_widgets": "dict[Widget, tuple[Region, Region]]",
}
# "module:Class.name": what an instance has from the beginning
FIELDS = (
    "textual.message_pump:MessagePump._running",
    "textual.message_pump:MessagePump._closed",
    "textual.app:App._driver",
    "textual.app:App._batch_count",
    "textual.app:App._previous_cursor_position",
    "textual.app:App._exception",
    "textual.app:App._exit_renderables",
    "textual.dom:DOMNode._bindings",
    "textual.binding:BindingsMap.key_to_bindings",
    "textual.screen:Screen._compositor",
    "textual._compositor:LayoutUpdate.strips",
    "textual._compositor:LayoutUpdate.region",
    "textual._compositor:ChopsUpdate.chops",
    "textual._compositor:ChopsUpdate.spans",
    "textual._compositor:ChopsUpdate.chop_ends",
    "textual.driver:Driver._size",
    "textual.driver:Driver._debug",
    "textual.driver:Driver._mouse",
    "textual.drivers.linux_driver:LinuxDriver._writer_thread",
    "textual.drivers.linux_driver:LinuxDriver.fileno",
    "textual.drivers.linux_driver:LinuxDriver.exit_event",
    "textual.drivers._writer_thread:WriterThread._queue",
    "textual_serve.app_service:AppService._process",
    "textual_serve.app_service:AppService._stdin",
    "rich.console:Console._color_system",
)


def owner_of(place: str) -> tuple[type, str]:
    module, _, path = place.partition(":")
    kind, _, name = path.partition(".")
    return getattr(importlib.import_module(module), kind), name


def moved(place: str, what: str) -> str:
    library = place.partition(".")[0].partition(":")[0].replace("_", "-")
    return f"{library} {version(library)}: {place} {what}"


def methods_moved() -> Iterator[str]:
    for place, wanted in METHODS.items():
        owner, name = owner_of(place)
        method = getattr(owner, name, None)
        if method is None:
            yield moved(place, "is gone")
        elif (found := str(inspect.signature(method))) != wanted:
            yield moved(place, f"was {wanted} and is {found}")


def properties_moved() -> Iterator[str]:
    for place, wanted in PROPERTIES.items():
        owner, name = owner_of(place)
        value = inspect.getattr_static(owner, name, None)
        if not isinstance(value, property) or value.fget is None:
            yield moved(place, "is no property any more")
        elif (found := value.fget.__annotations__.get("return")) != wanted:
            yield moved(place, f"was {wanted} and is {found}")


@cache
def fields_of(owner: type) -> set[str]:
    """What the class' own constructor, or its body, gives an instance."""
    [tree] = [node for node in ast.parse(inspect.getsource(owner)).body if isinstance(node, ast.ClassDef)]
    made = next((one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), tree)
    targets = [node for node in ast.walk(made) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    return {node.attr for node in targets if isinstance(node.value, ast.Name) and node.value.id == "self"}


def fields_moved() -> Iterator[str]:
    for place in FIELDS:
        owner, name = owner_of(place)
        if name not in fields_of(owner):
            yield moved(place, "is not made by its constructor any more")


def test_the_methods_that_are_called_or_overridden_take_what_they_took():
    assert list(methods_moved()) == []


def test_the_properties_give_what_they_gave():
    assert list(properties_moved()) == []


def test_the_fields_are_where_they_were():
    assert list(fields_moved()) == []


@pytest.mark.parametrize("table", ["METHODS", "FIELDS"])
def test_what_has_moved_is_told_by_its_place(monkeypatch, table: str):
    gone = "textual.app:App._gone"
    monkeypatch.setattr(f"{__name__}.METHODS", {gone: "(self)"})
    monkeypatch.setattr(f"{__name__}.FIELDS", (gone,))
    told = list(methods_moved() if table == "METHODS" else fields_moved())
    assert len(told) == 1 and gone in told[0] and version("textual") in told[0]


# --- nobody else touches them ---


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{one.name}" for one in node.names]
        for name in names:
            root, *parts = name.split(".")
            if root in ("textual", "rich") and (any(map(is_private, parts)) or "drivers" in parts):
                yield name


def test_only_one_module_imports_a_private_part():
    found = {
        (file.relative_to(PACKAGE).as_posix(), name)
        for file in PACKAGE.rglob("*.py")
        for name in private_imports(ast.parse(file.read_text()))
        if file != HOME
    }
    assert found == set()


def private_names(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Each private attribute that is used, and whether it is one of `self`'s, `cls`' or `super()`'s."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            of = node.value
            own = isinstance(of, ast.Name) and of.id in ("self", "cls")
            yield node.attr, own or (isinstance(of, ast.Call) and ast.unparse(of.func) == "super")


KNOWN = {place.rpartition(".")[2] for place in (*METHODS, *PROPERTIES, *FIELDS)}


def test_every_private_name_in_the_one_module_is_checked():
    used = {name for name, _ in private_names(ast.parse(HOME.read_text()))} - {"_sends"}
    assert used <= KNOWN


def test_no_other_module_asks_another_object_for_a_private_name_that_is_checked():
    found = {
        (file.relative_to(PACKAGE).as_posix(), name)
        for folder in ("widgets", "panes", "screens", ".")
        for file in (PACKAGE / folder).glob("*.py")
        for name, own in private_names(ast.parse(file.read_text()))
        if not own and name in KNOWN and file != HOME
    }
    assert found == set()


def ours(kind: type) -> bool:
    return kind.__module__.startswith("nexconsole.")


def descendants(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def taken(kind: type) -> set[str]:
    """The private names that a class' code gives itself or uses as its own."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind)))
    names = {name for name, own in private_names(tree) if own}
    return names | {name for name in vars(kind) if is_private(name)}


def theirs(kind: type) -> set[str]:
    """The private names that the classes of Textual's behind this one have."""
    names: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] in ("textual", "rich"):
            names |= {name for name in vars(base) if is_private(name)} | set(filter(is_private, fields_of(base)))
    return names


# What Textual's metaclasses write into every class.
WRITTEN = {
    "_css_bindings",
    "_css_type_name",
    "_css_type_names",
    "_decorated_handlers",
    "_inherit_bindings",
    "_inherit_component_classes",
    "_inherit_css",
    "_merged_bindings",
    "_reactives",
    "_computes",
    "_abc_impl",
    "_default_css",
    "_default_virtual_size",
}


def test_no_widget_screen_or_app_takes_a_private_name_of_textuals_unasked():
    from textual.message import Message
    from textual.message_pump import MessagePump

    for module in pkgutil.iter_modules(screens.__path__, f"{screens.__name__}."):
        importlib.import_module(module.name)
    kinds = {kind for base in (MessagePump, Message) for kind in descendants(base) if ours(kind)}
    assert {NexConsole, ReplayApp} < kinds and len(kinds) > 25
    found = {
        (kind.__qualname__, name)
        for kind in kinds
        if kind.__module__ != "nexconsole.widgets.textual_private"
        for name in (taken(kind) & theirs(kind)) - WRITTEN
    }
    assert found == set()


def test_the_driver_takes_only_what_is_checked():
    from textual.drivers.linux_driver import LinuxDriver

    kinds = [
        kind for kind in non_blocking(LinuxDriver).__mro__ if ours(kind) and kind.__name__ in inspect.getsource(kind)
    ]
    overridden = {name for kind in kinds for name in taken(kind)} & theirs(LinuxDriver)
    assert overridden <= KNOWN | {"_abc_impl"}


def test_textual_is_pinned_to_the_version_that_was_looked_at():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    [pinned] = [one for one in project["dependencies"] if one.startswith("textual")]
    assert pinned == f"textual=={version('textual')}"
