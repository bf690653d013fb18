"""Refresh the code blocks of docs/*.md that are copies of files, so that a page cannot differ from what the tests run.

    python tools/sync_docs.py [--check]

A line `<!-- file: PATH -->` before a code block names the file, relative to the repository; the block becomes its
content. `--check` writes nothing and ends with 1 where a page differs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- file: (\S+) -->\n```\w*\n)(.*?)(^```$)", re.S | re.M)


def files(page: str) -> list[str]:
    """The files that a page copies, in order."""
    return [match[2] for match in BLOCK.finditer(page)]


def synced(page: str, root: Path = ROOT) -> str:
    """The page with the content of each named file in its code block."""
    return BLOCK.sub(lambda match: f"{match[1]}{(root / match[2]).read_text(encoding='utf-8')}{match[4]}", page)


def main(check: bool) -> int:
    """Refresh every page, or only name those that differ."""
    stale = 0
    for path in sorted((ROOT / "docs").rglob("*.md")):
        old = path.read_text(encoding="utf-8")
        new = synced(old)
        if new != old:
            stale += 1
            print(f"{path.relative_to(ROOT)}: {'differs from its files' if check else 'refreshed'}")
            if not check:
                path.write_text(new, encoding="utf-8")
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
