"""The keys and commands that work everywhere, whichever screen is shown."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from ..catalogue import Subject
from ..panes.pane import Pane
from ..session.capabilities import Capabilities, Capability
from ..session.known_profiles import NO_PROFILES, KnownProfiles
from ..settings import Settings
from ..widgets import textual_themes as themes
from ..widgets.banner import bound_keys, key_of, titled
from ..widgets.canvas import LineCanvas
from ..widgets.compositor import DiffingApp
from ..widgets.key_map import KEY_MAP
from ..widgets.privacy import MASKER
from ..widgets.spans import plain
from .availability import DOING, LOOKING, NOTHING_TO_DO, why_nothing, works_now
from .console import ConsoleScreen
from .dialog import do_shown_key
from .filter_prompt import FilterPrompt
from .page import PageScreen

if TYPE_CHECKING:
    from ..session.overview import ProfileOverview
    from ..sources import Sources
    from .controller import Controller
    from .key_help import KeyEntry
    from .palette import PaletteCommand
    from .why import WhyLinks

MASKED = "# copied from a shared screen: text in ‹› is masked"
CHANGES = "changes"  # the signal
NO_PANE = {"sources": "no pane shows sources: the second line does"}
WATCHED = "this page is read-only: close it in the browser"


def _lightest(command: PaletteCommand) -> float:
    return -command.weight


class CommandApp(DiffingApp):
    """What an application on `console_screen` does when a key is pressed; `capabilities` says what it may do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Keys", id="app.keys", tooltip="Show what the keys do"),
        Binding(
            "ctrl+p", "command_palette", "Commands", id="app.palette", tooltip="Every command by name", priority=True
        ),
        Binding("w", "why", "Why", id="why.show", tooltip="What it is and since when; every reason"),
        Binding("C", "changes", "Changes", id="changes.show", tooltip="What changed, set against when it began"),
        Binding("s", "scenario", "Scenario", id="scenario.open", tooltip="Open the scenario that fits, or close it"),
        Binding("S", "scenarios", "Scenarios", id="scenario.list", tooltip="List the scenarios, those that fit first"),
        Binding("n", "note", "Note", id="journal.note", tooltip="Write a one-line note in the journal"),
        Binding("J", "journal", "Journal", id="journal.show", tooltip="Show what was done, by whom, and if it helped"),
        Binding("i", "incident", "Incident", id="incident.show", tooltip="Show the incident, or open one"),
        Binding("o", "object", "Object", id="proposal.object", tooltip="Object to what is proposed: nothing is sent"),
        Binding("a", "approve", "Approve", id="proposal.approve", tooltip="Approve what waits for a second person"),
        Binding(
            "A", "open_proposal", "Proposal", id="proposal.open", tooltip="Open what an agent proposes, to confirm it"
        ),
        Binding("l", "logs", "Logs", id="logs.show", tooltip="Follow the pods' logs"),
        Binding(
            "O", "overview", "Overview", id="overview.show", tooltip="All profiles: level, cause; switch", show=False
        ),
        Binding("e", "export", "Report", id="report.export", tooltip="Write the incident's report into files"),
        Binding("y", "status_line", "Status line", id="report.line", tooltip="Copy the state in one line for the chat"),
        Binding("B", "sheet", "Break-glass sheet", id="sheet.show", tooltip="Last known values and shell commands"),
        Binding("u", "undo", "Undo", id="operation.undo", tooltip="Take the newest action back"),
        Binding("d", "dismiss_ended", "Dismiss", id="operation.dismiss", tooltip="Dismiss the actions that have ended"),
        Binding("ctrl+k", "stop", "Stop", id="operation.stop", tooltip="Stop sending before the next target"),
        Binding(
            "P",
            "present",
            "Present",
            id="app.present",
            tooltip="The shared screen: large, customer data masked; or back",
        ),
        Binding("t", "next_theme", "Theme", id="app.theme", tooltip="Take the next theme"),
        Binding("q,ctrl+q", "quit", "Quit", id="app.quit", tooltip="Leave the console"),
        Binding("ctrl+c", "help_quit", "", id="app.help_quit", tooltip="Say how to leave", show=False, system=True),
    ]

    settings: Settings
    sources: Sources | None
    capabilities: Capabilities
    console_screen: ConsoleScreen
    profiles: KnownProfiles = NO_PROFILES
    switching_to = ""  # the profile for which this console leaves,
    presented = False  # and whether it was a shared screen then
    _clock_of_readings: Callable[[], datetime]
    _drill: str | None

    @cached_property
    def controller(self) -> Controller:
        """The session's controller, made after the first paint or on first use."""
        from .controller import Controller

        return Controller(
            self,
            self.console_screen,
            self.settings,
            self.sources_by_now(),
            self._clock_of_readings,
            capabilities=self.capabilities,
            drill=self._drill,
        )

    def sources_by_now(self) -> Sources | None:
        """What there is to read from and to act on; None: nothing."""
        return self.sources

    def copy_to_clipboard(self, text: str) -> None:
        """Copy the text, masked while the screen is shared."""
        shown = "\n".join(map(MASKER.mask_command, text.split("\n")))
        super().copy_to_clipboard(shown if shown == text else f"{shown}\n{MASKED}")

    def on_click(self, event: events.Click) -> None:
        """A click on a key in the last line does what the key does; in a dialog it does not."""
        canvas = event.widget
        if self._open_to_all and isinstance(canvas, LineCanvas) and (canvas.id or "").endswith("keys"):
            do_shown_key(self.screen, canvas, event.x, event.y)

    def action_help(self) -> None:
        from .key_help import KeyHelp, KeyHelpApp

        if not isinstance(self.screen, KeyHelp):
            self.push_screen(KeyHelp(self.screen, KeyHelpApp(self.offered, self.why_not_now)), self._do_listed)

    def _do_listed(self, entry: KeyEntry | None) -> None:
        """Do what was chosen in the list of keys, as if its key had been pressed; not to another row by now."""
        if entry is None:
            return
        node = entry.active.node
        if getattr(node, "subject", None) != entry.subject:
            self.console_screen.say(f"the row under the cursor has changed: read it, and press {entry.keys[0]}")
        elif node.is_attached:
            self.call_later(self.run_action, entry.active.binding.action, node)

    def why_not_now(self, action: str) -> str:
        """Why this action would do nothing now; "" where it is not worth saying."""
        return why_nothing(action, self.capabilities)

    def offered(self, action: str) -> bool:
        """Whether this action would do anything now; True for Textual's own actions."""
        if action not in NOTHING_TO_DO:
            return not (self.is_web and action in ("quit", "help_quit"))
        if "controller" not in self.__dict__:
            return False
        return works_now(action, self.controller.session, self.controller.incidents.waiting(), self.capabilities)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Refuse what a console that only watches may not do."""
        if self.capabilities.silent and action in DOING and action not in LOOKING:
            return False
        return super().check_action(action, parameters)

    @property
    def presenting(self) -> bool:
        """Whether this is a shared screen: then customer data is masked in all that is shown or copied."""
        return MASKER.enabled

    @cached_property
    def presentation(self) -> ModuleType:
        return importlib.import_module(f"{__package__}.presentation")

    def present(self, on: bool) -> None:
        """Switch between the panes and the shared screen, which masks customer data."""
        if not on:
            self.presentation.end(self.console_screen)
            MASKER.disable()
        else:
            from ..journal.redaction import secrets_of

            MASKER.enable(secrets_of(self.settings))
            self.presentation.begin(self.console_screen, lambda: self.__dict__.get("controller"))
        self.console_screen.tick()
        if "controller" in self.__dict__:
            self.controller.paint()

    def action_present(self) -> None:
        if self.capabilities.silent:
            self.console_screen.say(self.capabilities.because)
            return
        self.present(not self.presenting)
        said = "shared screen: customer data is masked" if self.presenting else "nothing is masked any more"
        self.console_screen.say(said)

    def action_next_theme(self) -> None:
        names = [theme.name for theme in themes.THEMES]
        following = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self._take_theme(following)

    def _take_theme(self, name: str) -> None:
        self.theme = name
        self.console_screen.say(f"theme: {name.removeprefix(themes.PREFIX)}")

    def action_help_quit(self) -> None:
        self.console_screen.say(WATCHED if self.is_web else f"{key_of('app.quit')} leaves the console")

    def action_command_palette(self) -> None:
        if self._open_to_all:
            self.call_next(self.controller.palette, partial(self.palette_commands, self.subject))

    def palette_commands(self, subject: Subject | None = None) -> list[PaletteCommand]:
        """The palette's commands now; those for the subject first."""
        from .palette_commands import commands

        return commands(self.controller, self._fixed(), subject)

    @property
    def subject(self) -> Subject | None:
        """What the row under the cursor, or the page, stands for."""
        subject = getattr(self.screen, "subject", None)
        return subject if isinstance(subject, Subject) else None

    def row_wanted(self, pane: Pane, what: str, subject: Subject | None) -> None:
        """A key or a click on a pane's row asks for this."""
        if self.screen is not self.console_screen:
            return
        if what == "filter":
            self.push_screen(FilterPrompt(pane.face.TITLE.lower(), pane.filter, pane.narrow))
        else:
            self._row(what, subject, pane.lists, pane.cursor_at)

    def action_row(self, what: str) -> None:
        """The same for the row of the page that is shown."""
        if not isinstance(page := self.screen, PageScreen):
            return
        if what == "filter":
            self.push_screen(FilterPrompt("", page.filter, page.narrow))
        else:
            self._row(what, self.subject, page.lists, page.cursor_at)

    def _row(self, what: str, subject: Subject | None, lists: Callable[[Subject], bool], at: tuple[int, int]) -> None:
        if subject is not None and what == "page":
            self.controller.open(subject)
        elif subject is not None and what == "log":
            self.controller.logs(pod=subject.arguments.get("pod", ""))
        elif subject is not None:
            from .row_commands import show_menu

            show_menu(self.controller, subject, lambda: lists(subject), at)

    def action_verbs(self) -> None:
        """What can be done to what the page shows."""
        from .row_commands import show_menu
        from .subject_page import SubjectScreen

        page = self.screen
        if isinstance(page, SubjectScreen):
            show_menu(self.controller, page.subject, lambda: not page.gone)

    @property
    def _open_to_all(self) -> bool:
        """Whether no dialog waits for an answer."""
        return self.screen is self.console_screen or isinstance(self.screen, PageScreen)

    def action_scenario(self) -> None:
        self.controller.scenarios.toggle()

    def action_scenarios(self) -> None:
        from .palette_commands import scenarios

        if self._open_to_all:
            self.call_next(self.controller.palette, lambda: sorted(scenarios(self.controller), key=_lightest))

    def _joins(self) -> bool:
        """Whether this console takes part; one that does not says why."""
        if Capability.JOIN in self.capabilities:
            return True
        self.console_screen.say(self.capabilities.because)
        return False

    def action_note(self) -> None:
        if self._joins():
            self.controller.note()

    def action_journal(self) -> None:
        self.controller.journal()

    def action_incident(self) -> None:
        self.controller.incidents.show()

    def action_object(self) -> None:
        if self._joins():
            self.controller.incidents.object()

    def action_approve(self) -> None:
        if self._joins():
            self.controller.incidents.approve()

    def action_open_proposal(self) -> None:
        if self._joins():
            self.controller.incidents.open_proposal()

    def action_why(self) -> None:
        from .why import WhyScreen

        if self._open_to_all and not isinstance(self.screen, WhyScreen):
            self.push_screen(WhyScreen(self.console_screen, self._why_links()))

    def _why_links(self) -> WhyLinks:
        from .why import WhyLinks

        return WhyLinks(
            pane=self._lead,
            journal=self.action_journal,
            changes=self.action_changes,
            scenario=lambda candidate: self.controller.causes.scenario(candidate),
            remedy=lambda candidate: self.controller.causes.remedy(candidate),
            scenario_title=lambda id: self.controller.causes.scenario_title(id),
            action_title=lambda name: self.controller.causes.action_title(name),
        )

    def action_changes(self, at: str = "") -> None:
        """All changes of the last hours, set against when it began; `at` is the one under the cursor."""
        from .changes import ChangesScreen

        if self._open_to_all and not isinstance(self.screen, ChangesScreen):
            self.push_screen(ChangesScreen(self.console_screen, self.controller.open, at))

    def _lead(self, signal: str) -> None:
        """To the pane that shows this signal."""
        from .why import pane_of

        console = self.console_screen
        if (view := pane_of(signal, console)) is not None:
            if not console.panes[view.SIGNAL].large:
                console.action_pane(view.SIGNAL)
        elif signal == CHANGES:
            self.action_changes()
        else:
            console.say(NO_PANE.get(signal) or f"no pane shows {plain(signal, 40)}: {key_of('why.show')} does")

    def action_logs(self) -> None:
        self.controller.logs()

    def action_overview(self) -> None:
        """All profiles of the settings, of which one may be switched to."""
        from .overview import OverviewScreen

        if not self.profiles.names:
            self.console_screen.say("there is one NexNum in the settings: [profiles.NAME] makes more")
        elif self._open_to_all and not isinstance(self.screen, OverviewScreen):
            leave, clock = self.switch_profile, self._clock_of_readings
            self.push_screen(OverviewScreen(self.profiles, self._own_overview, leave, clock))

    def _own_overview(self) -> ProfileOverview:
        """This console's own profile, from what it reads anyway."""
        from ..session.overview import own_overview

        store = self.controller.session.incident_store if "controller" in self.__dict__ else None
        sources = self.sources.health() if self.sources is not None else ()
        return own_overview(self.settings, self.console_screen.monitor, sources, self._clock_of_readings(), store)

    def switch_profile(self, name: str) -> str:
        """Leave, for the console of that profile; why not, "" where it does."""
        if why_not := self._why_no_switch(name):
            return why_not
        self.switching_to, self.presented = name, self.presenting
        self.exit()
        return ""

    def _why_no_switch(self, name: str) -> str:
        if name == self.profiles.current:
            return f"this is {name}"
        if name not in self.profiles.names:
            return f"there is no profile {plain(name, 30)}"
        if self.is_web:
            return WATCHED
        if not self._open_to_all:
            return "a dialog is open: answer it first, or leave it by esc"
        under_way = self.controller.session.under_way if "controller" in self.__dict__ else ()
        if under_way:
            return f"not now: {plain(under_way[0].name, 60)} is under way here; wait for its end"
        return ""

    def action_export(self) -> None:
        if self._joins():
            self.controller.paper.export()

    def action_status_line(self) -> None:
        self.controller.paper.line()

    def action_sheet(self) -> None:
        if self._open_to_all and self._joins():
            self.controller.paper.show()

    def action_undo(self) -> None:
        if self._joins():
            self.controller.actions.undo()

    def action_dismiss_ended(self) -> None:
        self.controller.actions.dismiss()

    def action_stop(self) -> None:
        if self._joins():
            self.controller.actions.stop()

    async def action_quit(self) -> None:
        """Leave. While an action runs, a second key is needed. A watcher in a browser can't leave."""
        if self.is_web:
            self.console_screen.say(WATCHED)
        elif "controller" not in self.__dict__ or self.controller.actions.may_quit():
            self.exit()

    def _fixed(self) -> Iterable[tuple[str, str, str, Callable[[], object]]]:
        """The fixed palette commands: stable name, title, detail, action."""
        for command in self.get_system_commands(self.console_screen):
            name = re.sub(r"[^a-z0-9]+", ".", command.title.partition(" (")[0].lower()).strip(".")
            yield f"console.{name}", command.title, command.help, command.callback

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        console = self.console_screen
        bound = bound_keys(type(self), type(console))
        for face in console.views:
            yield SystemCommand(
                titled(face.TITLE, bound, f"pane.{face.SIGNAL}"),
                f"Maximize {face.TITLE.lower()}, or restore it",
                lambda name=face.SIGNAL: console.action_pane(name),
            )
        if not self.capabilities.silent:
            yield SystemCommand(
                titled("Present", bound, "app.present"),
                "Larger figures for a shared screen, customer data masked; or back",
                self.action_present,
            )
        yield SystemCommand(
            titled("Why", bound, "why.show"),
            "What it is, since when, with its evidence; every reason; what is not known; what is still in force",
            self.action_why,
        )
        yield SystemCommand(
            titled("Changes", bound, "changes.show"),
            "What changed in the last hours, set against when it began",
            self.action_changes,
        )
        if self.profiles.names:
            yield SystemCommand(
                titled("Overview", bound, "overview.show"),
                "All profiles of the settings: level, cause, since when; and switch to one",
                self.action_overview,
            )
        yield SystemCommand(
            titled("Freeze", bound, "picture.freeze"),
            "Freeze the picture, or show the newest again",
            console.action_freeze,
        )
        yield SystemCommand(
            titled("Copy", bound, "picture.copy"),
            "Copy the cursor's row, or the focused pane, as text",
            console.action_copy,
        )
        for theme in themes.THEMES:
            name = theme.name.removeprefix(themes.PREFIX)
            yield SystemCommand(
                f"Theme: {name}", f"Use the {name} theme", lambda full=theme.name: self._take_theme(full)
            )
        yield SystemCommand(titled("Keys", bound, "app.keys"), "Show what the keys do", self.action_help)
        if not self.is_web:
            yield SystemCommand(titled("Quit", bound, "app.quit"), "Leave the console", self.action_quit)


KEY_MAP.declare(CommandApp, ConsoleScreen)
