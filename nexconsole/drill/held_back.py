"""Scenarios that the causes' chapters were written without: whoever tunes a rule does not read this file."""

from __future__ import annotations

from .recipes.drawing import Recipe

GROUP = "held back"
RECIPES: tuple[Recipe, ...] = ()
