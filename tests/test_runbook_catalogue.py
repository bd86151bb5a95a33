"""What a runbook may name is what the console can do."""

from __future__ import annotations

from nexconsole.actions import shell_commands
from nexconsole.actions.registry import ACTIONS
from nexconsole.runbook import catalogue

A_SCREEN = "logs.show"  # changes nothing, so it is no action


def test_a_runbook_may_name_every_action_and_nothing_else_but_the_logs() -> None:
    assert set(catalogue.ACTIONS) - {A_SCREEN} == set(ACTIONS)


def test_an_action_wants_the_same_arguments_in_a_runbook_as_on_the_command_line() -> None:
    for name, action in ACTIONS.items():
        wanted = [(argument.name, argument.kind, argument.required) for argument in action.arguments]
        spec = catalogue.ACTIONS[name]
        assert [(argument.name, argument.kind, argument.required) for argument in spec.arguments] == wanted, name
        assert spec.title == action.title
        assert {argument.kind for argument in action.arguments} <= set(catalogue.KINDS)


def test_a_provider_changed_by_hand_does_not_print_its_credentials() -> None:
    """The API answers a provider's change with the whole row, its key in clear (nexnum.md#provider-api)."""
    command = shell_commands.curl(
        "PATCH", "/api/admin/providers/x", headers=shell_commands.ADMIN, body={"a": 1}, discreet=True
    )
    assert "--fail -o /dev/null -w '%{http_code}\\n' -X PATCH" in command
