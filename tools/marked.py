"""The part of a page between two marks that a tool writes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What stands in `page` behind the line `begin` and before the line `end`, made by `write`."""

    page: Path
    begin: str
    end: str
    write: Callable[[], str]

    def renewed(self) -> str:
        """The page with this part as it should be."""
        before, begun, rest = self.page.read_text(encoding="utf-8").partition(self.begin)
        _, ended, after = rest.partition(self.end)
        if not (begun and ended):
            sys.exit(f"{self.page.relative_to(ROOT)} lacks the line {self.end if begun else self.begin}: put it back.")
        return f"{before}{self.begin}\n\n{self.write()}\n\n{self.end}{after}"

    @property
    def fresh(self) -> bool:
        """Whether it is so already."""
        return self.renewed() == self.page.read_text(encoding="utf-8")

    def main(self, tool: str, about: str | None) -> None:
        """The command of `tool`, which writes the part, or with --check says whether it is stale."""
        parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is stale")
        if not parser.parse_args().check:
            self.page.write_text(self.renewed(), encoding="utf-8")
        elif not self.fresh:
            sys.exit(f"{self.page.relative_to(ROOT)} is stale: run python {tool}")
