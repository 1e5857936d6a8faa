"""README.md and docs/detectors.md say what the cards say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_pages_on_detectors_are_written_from_the_cards(root: Path) -> None:
    command = [sys.executable, root / "scripts/detectors_page.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_link_of_the_readme_leads_somewhere(root: Path) -> None:
    text = (root / "README.md").read_text()
    links = [part.partition(")")[0] for part in text.split("](")[1:]]
    assert links
    assert [
        link for link in links if not link.startswith("http") and not (root / link.partition("#")[0]).exists()
    ] == []
