"""What the Engine's API says no with."""

from __future__ import annotations


class EngineRefusal(Exception):
    """`status` and the Engine's sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def no_such_container(word: str) -> EngineRefusal:
    return EngineRefusal(404, f"No such container: {word}")
