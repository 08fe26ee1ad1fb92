"""The recipes of studies."""

from pathlib import Path

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*/study.yaml"))
