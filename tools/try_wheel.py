"""Try a wheel as a stranger would: install it into a fresh environment elsewhere, and run it there."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRIALS = [
    ["--version"],
    ["info"],
    ["demo", "--help"],
    ["solve", "Leo has 8 cards. On Monday, Leo buys 6 pairs. How many cards is that?", "--k", "2", "--seed", "0"],
]
"""Arguments of `reflectgen`, each of which must exit with 0."""


def main(wheel: Path) -> None:
    """Install `wheel` and run every trial from a folder that holds nothing of the repository."""
    with tempfile.TemporaryDirectory(prefix="reflectgen-wheel-") as folder:
        environment = Path(folder) / "venv"
        venv.create(environment, with_pip=True)
        install = ["-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), str(wheel)]
        subprocess.run([str(environment / "bin" / "python"), *install], check=True, cwd=folder)
        for trial in TRIALS:
            print("$ reflectgen", *trial, flush=True)
            subprocess.run([str(environment / "bin" / "reflectgen"), *trial], check=True, cwd=folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
