"""What is deployed names only options and series that there are."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path

import yaml
from serve.rig import ASKED, calling, serving
from typer.main import get_command

from reflectgen.cli import app

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
UNIT = configparser.ConfigParser(interpolation=None)
UNIT.optionxform = str  # type: ignore[assignment, method-assign]
UNIT.read(DEPLOY / "reflectgen.service")
SERVICE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["reflectgen"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_every_option_is_one_of_the_command() -> None:
    known = {name for option in get_command(app).commands["serve"].params for name in option.opts}  # type: ignore[attr-defined]
    entry, command = (json.loads(found) for found in re.findall(r"^(?:ENTRYPOINT|CMD) (.+)$", DOCKERFILE, re.MULTILINE))
    given = [*entry, *command, *SERVICE["command"], *shlex.split(UNIT["Service"]["ExecStart"])]
    assert {word for word in given if word.startswith("--")} <= known


def test_there_is_more_time_to_stop_than_the_grace() -> None:
    for arguments, patience in (
        (SERVICE["command"], SERVICE["stop_grace_period"]),
        (shlex.split(UNIT["Service"]["ExecStart"]), UNIT["Service"]["TimeoutStopSec"]),
    ):
        assert seconds(patience) > int(arguments[arguments.index("--grace") + 1]) + 5


def test_nothing_runs_as_root_and_keys_come_as_secrets() -> None:
    assert DOCKERFILE.index("\nUSER reflectgen") < DOCKERFILE.index("\nENTRYPOINT")
    assert "HEALTHCHECK" in DOCKERFILE and "/readyz" in DOCKERFILE
    assert SERVICE["secrets"] == ["api-keys"] and SERVICE["ports"] == ["127.0.0.1:8000:8000"]
    assert UNIT["Service"]["DynamicUser"] == "yes" and "LoadCredential" in UNIT["Service"]


async def test_the_dashboard_shows_series_that_a_service_has() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "reflectgen.json").read_text())
    with serving() as service:
        async with calling(service) as client:
            await client.post("/v1/chat/completions", json=ASKED)
            text = (await client.get("/metrics")).text
    series = {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}
    labels = set(re.findall(r"[{,](\w+)=", text))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = set(re.findall(r"\b(?:reflectgen|process)_\w+", " ".join(expressions)))
    assert asked <= series
    assert {name for name in series if name.startswith("reflectgen") and name.endswith(("_total", "_bucket"))} <= asked
    assert {label for found in re.findall(r"by \(([^)]+)\)", " ".join(expressions)) for label in found.split(", ")} <= labels
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) == 12
