"""The viewer's files, read as text: what must hold of them without a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
from viewer.driven import recorded
from viewer.fake_server import VIEWER
from viewer.record import record

from reflectgen.serve.events import schema

MODULES = sorted(VIEWER.glob("*.js"))
IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";$', re.MULTILINE)
MARKUP = re.compile(r"(?:inner|outer|Adjacent|set)HTML|document\.write|\beval\(|Function\(|ContextualFragment|srcdoc")
"""What could turn text into markup or script."""
SHARED = {"type", "id", "version", "time"}
"""Fields that all events have, or that the page has no use for."""
VALID = jsonschema.Draft202012Validator(schema())
FIELDS = {name: set(kind["properties"]) - SHARED for name, kind in schema()["$defs"].items()}
"""Events and their other fields."""


class Elements(HTMLParser):
    """All elements of a page with their attributes, and the text within scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in ("script", "style"):
            self.inline += data.strip()


@pytest.fixture(scope="module")
def elements() -> Elements:
    parser = Elements()
    parser.feed((VIEWER / "index.html").read_text(encoding="utf-8"))
    return parser


def test_the_page_has_no_inline_script_style_or_handler(elements: Elements) -> None:
    assert {"script", "link", "main", "form"} <= {tag for tag, _ in elements.found}
    names = {name for _, attributes in elements.found for name in attributes}
    assert not {name for name in names if name.startswith("on")} | (names & {"style", "srcdoc", "action"})
    assert elements.inline == "" and "style" not in {tag for tag, _ in elements.found}


def test_the_page_loads_its_own_files_and_nothing_else(elements: Elements) -> None:
    addresses = [value for _, attributes in elements.found for name in ("src", "href") if (value := attributes.get(name))]
    own = [address for address in addresses if not address.startswith(("#", "data:image/svg+xml,"))]
    assert sorted(own) == ["viewer/main.js", "viewer/viewer.css"]
    assert all((VIEWER / Path(address).name).is_file() for address in own)


def test_ids_are_unique_and_those_that_modules_ask_for_are_there(elements: Elements) -> None:
    ids = [value for _, attributes in elements.found if (value := attributes.get("id"))]
    assert len(ids) == len(set(ids))
    asked = {name for module in MODULES for name in re.findall(r'part\("([\w-]+)"\)', module.read_text(encoding="utf-8"))}
    assert asked - set(ids) == {"trace"}  # which only a shared page has


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_makes_no_markup_of_text_and_reaches_no_other_place(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    assert MARKUP.findall(source) == []
    assert re.findall(r"https?://[^\s\"'`]+", source) in ([], ["http://www.w3.org/2000/svg"])
    assert "</script" not in source and "<!--" not in source  # it must fit into the script of a shared page
    assert len(source.splitlines()) <= 150


def test_style_sheets_load_nothing() -> None:
    style = (VIEWER / "viewer.css").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|https?:|</style", style)


def test_modules_import_in_the_form_that_a_shared_page_can_join_and_without_cycles() -> None:
    imports = {}
    for module in MODULES:
        source = module.read_text(encoding="utf-8")
        imports[module.name] = set(IMPORT.findall(source))
        assert len(re.findall(r"^import\b", source, re.MULTILINE)) == len(imports[module.name])
        assert not re.search(r"^export (?:default|\{|let|var)|import\(", source, re.MULTILINE)
    reached, rest = set[str](), dict(imports)
    while ready := [name for name, needed in rest.items() if needed <= reached]:
        reached.update(ready)
        rest = {name: needed for name, needed in rest.items() if name not in reached}
    assert rest == {} and reached == {module.name for module in MODULES}


def test_events_and_their_fields_are_those_of_the_schema() -> None:
    source = (VIEWER / "events.js").read_text(encoding="utf-8")
    entries = re.findall(r"^  (\w+): \{(.*?)\},$", source.split("EVENTS = {")[1], re.MULTILINE | re.DOTALL)
    found = {name: set(re.findall(r"(\w+)(?=:|,| ?$)", re.sub(r": \w+", ":", fields))) for name, fields in entries}
    assert found == FIELDS


@pytest.mark.parametrize("name", ["best_of_n", "pruned", "beam", "mcts"])
def test_recorded_traces_are_of_the_schema(name: str) -> None:
    events = recorded(name)
    assert {event["type"] for event in events} == set(FIELDS)
    for event in events:
        VALID.validate(event)


def test_a_trace_is_recorded_as_the_service_would_tell_it() -> None:
    told, kept = record("best_of_n", recorded("best_of_n")[0]["problem"]), recorded("best_of_n")
    ends, kept_ends = (
        {event["branch"]: event["reply"] for event in events if event["type"] == "end"} for events in (told, kept)
    )
    assert ends == kept_ends
    for event in told:
        VALID.validate(event)
