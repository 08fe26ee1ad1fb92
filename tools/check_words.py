"""Check that no tracked text speaks of one machine or one moment: local paths, package hosts, unfinished places.

What is refused is written here so that this file passes its own check.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFUSED = {
    "a path of one machine": re.compile(r"(?<![\w.:/}])/(?:home|root|work|opt|mnt|Users)/"),
    "the address of a package index": re.compile(r"index[-_]url|find-links|trusted-host", re.IGNORECASE),
    "an unfinished place": re.compile(r"\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b"),
    "an issue number": re.compile(r"\b(?:issue|ticket) #?[0-9]+", re.IGNORECASE),
}
EXEMPT = {"LICENSE", "tools/check_words.py"}


def tracked() -> list[Path]:
    """Files that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [ROOT / name for name in sorted(names) if name and name not in EXEMPT and (ROOT / name).is_file()]


def faults(name: str, text: str) -> list[str]:
    """One sentence for each line of `text` that holds something refused."""
    return [
        f"{name}:{number}: {what}: {line.strip()[:100]}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in REFUSED.items()
        if pattern.search(line)
    ]


def main() -> int:
    """Check every file that is text; print the faults and exit with 1 where there are any."""
    found = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            found += faults(str(path.relative_to(ROOT)), content.decode("utf-8", errors="replace"))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
