"""Every Python block of the README and the tutorials runs, from top to bottom of its page.

A fenced ``python`` block is run; one that says ``python no-run`` is only compiled. A comment
``<!-- python ... -->`` is run too and not shown: it makes inputs or ends what a page started.
A ``console`` block is run only when ``<!-- run -->`` stands on the line before it: each line that
begins with ``$ `` goes to a shell and must succeed. Code keeps its line numbers, so that a traceback
points into the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN_HOW_TO = (
    *(
        "backup-and-restore.md",
        "archive-in-s3.md",
        "changes-and-webhooks.md",
        "choose-a-store.md",
        "choose-an-index.md",
        "delete-and-correct.md",
        "images.md",
        "import.md",
        "jobs.md",
        "normalized-services.md",
        "pixels.md",
        "see-what-happens.md",
        "test-against-bad-peers.md",
    ),
    *("tiers-and-retention.md", "tls.md", "transcoding.md"),
)
RUN_EXPLANATION = ("associations.md",)
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "tutorials").glob("*.md")),
    *(ROOT / "docs" / "how-to" / name for name in RUN_HOW_TO),
    *(ROOT / "docs" / "explanation" / name for name in RUN_EXPLANATION),
]
FENCE = re.compile(r"^```(?P<language>\w*)(?P<options>.*)$")


def python_of(page: str) -> str:
    """The page with everything but its Python replaced by empty lines."""
    kept, inside = [], ""
    for line in page.splitlines():
        if inside:
            ends = line.startswith("```") if inside in {"run", "compile", "other"} else "-->" in line
            kept.append("" if ends or inside in {"compile", "other"} else line)
            inside = "" if ends else inside
            continue
        kept.append("")
        fence = FENCE.match(line)
        if fence:
            inside = "other" if fence["language"] != "python" else "compile" if "no-run" in fence["options"] else "run"
        elif line.startswith("<!-- python"):
            inside = "hidden"
    return "\n".join(kept) + "\n"


def unrun_of(page: str) -> list[str]:
    """The Python blocks that are only to be compiled."""
    return re.findall(r"^```python[^\n]*no-run[^\n]*\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def commands_of(page: str) -> list[str]:
    """The commands of the console blocks that say they are run."""
    blocks = re.findall(r"^<!-- run -->\n```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def run(command: list[str], folder: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    text = page.read_text("utf-8")
    for block in unrun_of(text):
        compile(block, str(page), "exec")
    source = python_of(text)
    if source.strip():
        script = tmp_path / f"{page.stem}.py"
        script.write_text(source, "utf-8")
        run([sys.executable, "-W", "error", str(script)], tmp_path)
    for command in commands_of(text):
        run(["sh", "-euc", command], tmp_path)


def test_the_reader_of_pages_keeps_line_numbers() -> None:
    page = "# T\n```python\na = 1\n```\n<!-- python\nb = 2\n-->\n```console\n$ x\n```\n```python no-run\nc = 3\n```\n"
    assert python_of(page) == "\n\na = 1\n\n\nb = 2\n\n\n\n\n\n\n\n"
    assert unrun_of(page) == ["c = 3\n"]
    assert commands_of(page) == []
    assert commands_of("<!-- run -->\n```console\n$ make x\noutput\n```\n") == ["make x"]
