"""The page on search names what there is: strategies, their settings and defaults, efforts, and what can be replayed."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from reflectgen.config import EFFORTS, Efforts
from reflectgen.search import REPLAYED, SETTINGS, STRATEGIES

PAGE = (Path(__file__).parent.parent / "docs" / "search.md").read_text(encoding="utf-8")


def rows(heading: str) -> Iterator[list[str]]:
    """The first table below a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = section[section.index("\n|") :].strip().split("\n\n")[0].splitlines()
    return ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:])


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_strategies_are_those_of_the_package() -> None:
    assert [names(row[0])[0] for row in rows("Strategies")] == [*STRATEGIES, "auto"]


def test_the_settings_and_their_defaults_are_those_of_the_classes() -> None:
    told = {
        (strategy, names(row[1])[0]): yaml.safe_load(names(row[2])[0]) for row in rows("Settings") for strategy in names(row[0])
    }
    own = {(strategy, name): field.default for strategy, kind in SETTINGS.items() for name, field in kind.model_fields.items()}
    assert told == own


def test_the_efforts_are_those_of_the_package() -> None:
    told = {names(row[0])[0]: (int(row[1].split()[-1]), *names(row[2])) for row in rows("Effort")}
    assert told == {name: (effort.k, effort.strategy) for name, effort in EFFORTS.items()}


def test_the_efforts_of_the_example_can_be_read() -> None:
    example = PAGE.split("```yaml\n")[1].split("```")[0]
    for effort in Efforts.parse(yaml.safe_load(example), "docs/search.md").efforts.values():
        SETTINGS[effort.strategy].parse(effort.settings, effort.strategy)


def test_what_can_be_replayed_is_told() -> None:
    store, model = (set(names(row[1])) - {"memory"} for row in rows("What can be replayed"))
    assert store == set(REPLAYED) and store | model == set(STRATEGIES)
