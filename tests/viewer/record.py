"""Record what the viewer is shown: `record.py FILE STRATEGY PROBLEM` runs the bundled model and writes its events.

The traces in `traces/` were made by it, one for each strategy there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from reflectgen.load import load
from reflectgen.reflector import Options
from reflectgen.serve.events import Event, Recorder

EFFORT = "medium"


def record(strategy: str, problem: str) -> list[Event]:
    """The events of one search by the bundled model."""
    options = Options(effort=EFFORT, strategy=strategy)
    with load("tiny") as model:
        recorder = Recorder(f"chatcmpl-{strategy}", model.prepare(problem, **options), model="tiny", effort=EFFORT)
        events = [recorder.start()]
        result = model.solve(problem, observe=lambda branch: events.extend(recorder.observe(branch)), **options)
        return [*events, *recorder.finish(result, result.chosen)]


def main(file: str, strategy: str, problem: str) -> None:
    """Write the events as a trace, one on a line."""
    lines = ",\n".join(json.dumps(event) for event in record(strategy, problem))
    Path(file).write_text(f'{{"version": 1, "events": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
