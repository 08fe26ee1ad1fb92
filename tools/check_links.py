"""Check the links inside the repository that its Markdown files make: the file is there, and so is the heading."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)|<img[^>]* src=\"([^\"]+)\"")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
OUTSIDE = re.compile(r"[a-z]+:")


def slug(heading: str) -> str:
    """The anchor that both GitHub and MkDocs give to a heading."""
    text = re.sub(r"[^\w\s-]", "", heading.replace("`", "").strip().lower())
    return re.sub(r"\s+", "-", text)


def anchors(text: str) -> set[str]:
    """The anchors of all headings of a Markdown text."""
    return {slug(heading) for heading in re.findall(r"^#+ +(.+)$", FENCE.sub("", text), re.MULTILINE)}


def links(text: str) -> list[str]:
    """Targets of the links and pictures of a Markdown text that lead into the repository."""
    targets = [first or second for first, second in LINK.findall(FENCE.sub("", text))]
    return [target for target in targets if not OUTSIDE.match(target)]


def faults(page: Path) -> list[str]:
    """One sentence for each link of `page` that leads nowhere."""
    found = []
    for target in links(page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        goal = page.parent / name if name else page
        if not goal.exists():
            found.append(f"{page.relative_to(ROOT)}: there is no {name}")
        elif anchor and goal.suffix == ".md" and anchor not in anchors(goal.read_text(encoding="utf-8")):
            found.append(f"{page.relative_to(ROOT)}: {goal.name} has no heading #{anchor}")
    return found


def main() -> int:
    """Check every page; print the faults and exit with 1 where there are any."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    found = [fault for page in sorted(pages) for fault in faults(page)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
