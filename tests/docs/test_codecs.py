"""The matrices in the reference of the codecs are what ``pacskit codecs --markdown`` prints, whole or by family."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from pacskit.cli.codecs import matrix
from pacskit.encoding.codecs import registry
from pacskit.encoding.codecs.video import is_video
from tests.conftest import ROOT

OVERVIEW = ROOT / "docs" / "reference" / "codecs.md"
FAMILIES = sorted((OVERVIEW.parent / "codecs").glob("*.md"))
BLOCK = re.compile(r"<!-- matrix ?(.*?) -->\n.*?(?=<!-- end of matrix -->)", re.DOTALL)
UID = "1.2.840.10008.1.2"


def current(found: re.Match[str]) -> str:
    """The block as it should be: all, or the transfer syntaxes that it names by the ends of their UIDs."""
    names = found[1].split()
    head = f"<!-- matrix {found[1]} -->" if names else "<!-- matrix -->"
    whole = {UID + name for name in names}
    table = matrix(registry, lambda one: not names or one in whole or ("video" in names and is_video(one)))
    return f"{head}\n\n{table}\n\n"


@pytest.mark.parametrize("page", [OVERVIEW, *FAMILIES], ids=lambda page: page.name)
def test_the_matrix_is_current(page: Path) -> None:
    text = page.read_text("utf-8")
    assert BLOCK.sub(current, text) == text, "run: python -m tests.docs.test_codecs"
    assert len(BLOCK.findall(text)) == 1


def test_every_transfer_syntax_has_a_page() -> None:
    rows = re.compile(r"^\| .*`(1\.2\.[\d.]+)` \|", re.MULTILINE)
    listed = [one for page in FAMILIES for one in rows.findall(page.read_text("utf-8"))]
    assert sorted(listed) == sorted(rows.findall(OVERVIEW.read_text("utf-8")))
    assert all(f"codecs/{page.stem}\n" in OVERVIEW.read_text("utf-8") for page in FAMILIES)


if __name__ == "__main__":
    for path in (OVERVIEW, *FAMILIES):
        path.write_text(BLOCK.sub(current, path.read_text("utf-8")), "utf-8")
    sys.exit()
