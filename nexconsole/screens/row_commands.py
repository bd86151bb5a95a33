"""What can be begun from a row: its actions, its page, its log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..catalogue import LOGS, Subject
from ..session.capabilities import Capability
from ..session.verbs import Verb, verbs
from ..sources.workload_runtime import NOT_CONFIGURED, runtime_of
from ..widgets.spans import plain
from .controller import Controller
from .page import PageScreen
from .palette import PaletteCommand
from .row_menu import MenuLine, RowMenu

FIRST = 3.0  # before all else that the palette lists while nothing is typed


def menu_lines(controller: Controller, subject: Subject) -> list[MenuLine]:
    """The actions, the likeliest first; then what is only looked at."""
    lines = [
        MenuLine(letter=verb.letter, command=_command(controller, verb)) for verb in verbs(controller.session, subject)
    ]
    page = PaletteCommand(
        name="row.page",
        title="Open its page",
        detail="all that is known of it",
        run=partial(controller.open, subject),
    )
    screen = controller.app.screen
    if not isinstance(screen, PageScreen) or screen.shows != subject:
        lines.append(MenuLine(letter="o", command=page))
    if (pod := subject.arguments.get("pod")) is not None:
        log = PaletteCommand(
            name=LOGS,
            title=f"Its {_noun(controller)}'s log" if subject.kind != "pod" else "Its log",
            detail=f"follows the log of {pod}",
            run=partial(controller.logs, pod=pod),
            why_not="" if runtime_of(controller.session.sources) is not None else NOT_CONFIGURED,
        )
        lines.append(MenuLine(letter="l", command=log))
    return lines


def _noun(controller: Controller) -> str:
    runtime = runtime_of(controller.session.sources)
    return runtime.noun if runtime is not None else "pod"


def _command(controller: Controller, verb: Verb) -> PaletteCommand:
    actions, given = controller.actions, dict(verb.given)
    begin: Callable[[], object] = partial(actions.act, verb.action, given)
    return PaletteCommand(
        name=verb.action,
        title=verb.title,
        detail=verb.detail,
        run=partial(actions.ask_arguments, verb.action, given) if verb.asks else begin,
        words=verb.words,
        weight=verb.weight,
        why_not=verb.why_not,
    )


def row_commands(controller: Controller, subject: Subject) -> list[PaletteCommand]:
    """The same for the palette, before all others, titled with the subject."""
    commands = [line.command for line in menu_lines(controller, subject)]
    name = plain(subject.title, 60)
    return [
        replace(
            command,
            title=f"{name}: {command.title}",
            words=(*command.words, *subject.arguments.values()),
            weight=FIRST - n / 100,
        )
        for n, command in enumerate(commands)
    ]


def show_menu(
    controller: Controller, subject: Subject, listed: Callable[[], bool], row: tuple[int, int] = (0, 0)
) -> None:
    """Open the menu over a row; what is chosen begins when it has closed."""
    because = controller.session.why_not(Capability.ACT) or ""
    menu = RowMenu(subject, menu_lines(controller, subject), listed, because=because, row=row)
    controller.app.push_screen(menu, lambda chosen: None if chosen is None else chosen.run())
