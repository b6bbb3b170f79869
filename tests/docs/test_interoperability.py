"""The page on interoperability has the matrix of what is run, and names tests that there are."""

from __future__ import annotations

import re
import sys

from tests.conftest import ROOT
from tests.interop.bench import ELEMENTS
from tests.interop.test_every_service import BENCHES, WHO

PAGE = ROOT / "docs" / "reference" / "interoperability.md"
BLOCK = re.compile(r"(?<=<!-- matrix -->\n).*?(?=<!-- end of matrix -->)", re.DOTALL)


def matrix() -> str:
    """The table of `BENCHES`, and the reasons of what they lack."""
    columns = [(bench, who) for bench in BENCHES.values() for who in WHO]
    reasons = list(dict.fromkeys(reason for bench in BENCHES.values() for reason in bench.lacks.values()))
    lines = [
        f"| element | {' | '.join(f'{bench.name}: {who}' for bench, who in columns)} |",
        f"|---|{'---|' * len(columns)}",
    ]
    for element in ELEMENTS:
        cells = [
            "plain, TLS" if bench.does(who, element) else f"— ({reasons.index(bench.lacks[f'{who} {element}']) + 1})"
            for bench, who in columns
        ]
        lines.append(f"| {element} | {' | '.join(cells)} |")
    numbered = [f"{number}. {reason}" for number, reason in enumerate(reasons, 1)]
    return "\n".join(["", *lines, "", *numbered, "", ""])


def test_the_matrix_is_current() -> None:
    (found,) = BLOCK.findall(PAGE.read_text("utf-8"))
    assert found == matrix(), "run: python -m tests.docs.test_interoperability"


def test_the_tests_that_it_names_are_there() -> None:
    named = set(re.findall(r"`(tests/\w+/\w+\.py)::(\w+)", PAGE.read_text("utf-8")))
    assert len(named) > 20
    missing = {
        f"{path}::{name}"
        for path, name in named
        if not re.search(rf"^def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)
    }
    assert missing == set()


if __name__ == "__main__":
    sys.exit(PAGE.write_text(BLOCK.sub(lambda _: matrix(), PAGE.read_text("utf-8")), "utf-8") == 0)
