"""Training: RECIPES say how, one file a method says what a step is, and `loop.fit` runs the steps."""

from explorer.training.help import HELP
from explorer.training.recipes import (
    RECIPES,
    Recipe,
    check_batch,
    check_sizes,
    default_recipe,
    fitted,
    make_recipe,
    recipe_class,
    recipes_of,
)
from explorer.training.settings import CHOICES, RANGES, Settings

__all__ = [
    "CHOICES",
    "HELP",
    "RANGES",
    "RECIPES",
    "Recipe",
    "Settings",
    "check_batch",
    "check_sizes",
    "default_recipe",
    "fitted",
    "make_recipe",
    "recipe_class",
    "recipes_of",
]
