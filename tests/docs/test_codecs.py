"""The matrix in the reference of the codecs is what ``pacskit codecs --markdown`` prints."""

from __future__ import annotations

import re
import sys

from pacskit.cli.codecs import matrix
from pacskit.encoding.codecs import registry
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "reference" / "codecs.md"
BLOCK = re.compile(r"(?<=<!-- matrix -->\n).*?(?=<!-- end of matrix -->)", re.DOTALL)


def test_the_matrix_is_current() -> None:
    (found,) = BLOCK.findall(PAGE.read_text("utf-8"))
    assert found == f"\n{matrix(registry)}\n\n", "run: python -m tests.docs.test_codecs"


if __name__ == "__main__":
    text = BLOCK.sub(lambda _: f"\n{matrix(registry)}\n\n", PAGE.read_text("utf-8"))
    sys.exit(PAGE.write_text(text, "utf-8") == 0)
