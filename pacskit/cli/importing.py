"""``pacskit import``."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from pacskit.cli.output import line
from pacskit.cli.progress import Bar
from pacskit.cli.verify import open_store, rate_of
from pacskit.storage.importing import Import

__all__ = ["import_folder"]


def import_folder(options: argparse.Namespace) -> int:
    Path(options.dir, "objects").mkdir(parents=True, exist_ok=True)
    with open_store(options) as store, Bar("import") as bar:
        store.digest = store.digest or options.digest
        report = Import(
            store,
            options.folder,
            how=options.how,
            duplicates=options.duplicates,
            workers=options.workers,
            rate=rate_of(options.rate),
            restart=options.restart,
            progress=lambda done, total, size: bar.step(done, total=total, size=size),
        ).run()
    kinds = Counter(one.kind for one in report.skipped)
    for one in report.skipped:
        if options.json:
            line(asdict(one))
        else:
            print(f"{one.kind:<10} {one.path}: {one.reason}")
    if options.json:
        line({**asdict(report), "skipped": dict(kinds)})
    else:
        left = "".join(f", {number} {kind}" for kind, number in sorted(kinds.items()))
        print(f"{report.files} files: {report.stored} stored, {report.replaced} replaced{left}")
    return 1 if kinds["damaged"] or kinds["unreadable"] else 0
