"""The terminal rings when the severity rises, and shows a notice of the desktop; a shared screen does neither."""

from __future__ import annotations

import os

from textual.app import App

from ..session.session import Session
from ..text.terminal_notice import sequences
from ..widgets.spans import plain
from ..widgets.textual_private import UpdatedApp


def ring(app: App[None], session: Session, monotonic_s: float, shared: bool) -> None:
    """Called once a second. `monotonic_s`: a time of a clock that is never set; `shared`: others see this screen."""
    if not session.notices.rings:
        return
    severity = session.monitor.severity
    level = session.notices.rises.look(severity, session.begins, monotonic_s)
    if not level or severity is None or shared or not isinstance(app, UpdatedApp):
        return
    chosen, driver = session.settings, app.driver
    if driver is None or app.is_web:
        return
    where = " ".join(filter(None, (chosen.environment.upper(), chosen.name)))
    reason = plain(severity.reasons[0].text, 120) if severity.reasons else ""
    notify = chosen.notify
    written = sequences(
        plain(where, 60), f"{level} {reason}", bell=notify.bell, desktop=notify.desktop, environment=os.environ
    )
    if written:
        driver.write(written)
        driver.flush()
