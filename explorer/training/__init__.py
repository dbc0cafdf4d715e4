"""Training: RECIPES say how, one file a method says what a step is, and `loop.fit` runs the steps."""

from explorer.training.recipes import RECIPES, Recipe, check_batch, default_recipe, fitted, make_recipe

__all__ = ["RECIPES", "Recipe", "check_batch", "default_recipe", "fitted", "make_recipe"]
