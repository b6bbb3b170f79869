"""``python -m pacskit_ext.codegen``: write every generated file; with ``--check`` only say which are stale."""

from __future__ import annotations

import argparse
from pathlib import Path

from pacskit_ext.codegen import attributes, ctables, licences, modules, privates
from pacskit_ext.codegen.sources import load

ROOT = Path(__file__).resolve().parents[2]


def outputs() -> dict[str, str]:
    """The text of every generated file by its path in the project."""
    source = load()
    return {
        "pacskit_ext/_tagtable_generated.h": ctables.tag_header(source),
        "pacskit_ext/_uidtable_generated.h": ctables.uid_header(source),
        "pacskit_ext/_privatetable_generated.h": privates.private_header(),
        "pacskit/core/_generated/uids.py": modules.uid_module(source),
        "pacskit/core/_generated/statuses.py": modules.status_module(source),
        "pacskit/core/_generated/keywords.pyi": attributes.stub(source),
        "THIRD_PARTY.md": licences.page(),
    }


def main() -> int:
    """Write or check; the exit code is 1 when something was stale and only checked."""
    parser = argparse.ArgumentParser(prog="python -m pacskit_ext.codegen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    check = parser.parse_args().check
    stale = 0
    for name, text in outputs().items():
        path = ROOT / name
        if path.exists() and path.read_text("ascii") == text:
            continue
        stale += 1
        print(f"{'stale' if check else 'wrote'}: {name}")
        if not check:
            path.write_text(text, "ascii")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
