"""``pacskit rebuild``."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from pacskit.cli.output import line
from pacskit.cli.progress import Bar
from pacskit.cli.verify import settings_of
from pacskit.facade.tiers import all_tiers
from pacskit.storage.rebuild import Rebuild

__all__ = ["rebuild"]


def rebuild(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    with all_tiers(options.dir, settings, options.index) as tiers, Bar("rebuild") as bar:
        report = Rebuild(
            options.dir,
            index=options.index,
            blobs=settings.blobs if tiers is None else tiers,
            blob_options=settings.blob_store,
            digest=not options.no_digest,
            workers=options.workers,
            restart=options.restart,
            progress=lambda done, total, size: bar.step(done, total=total, size=size),
        ).run()
    for one in report.left_out:
        if options.json:
            line(asdict(one))
        else:
            print(f"{one.kind:<10} {one.key}: {one.reason}")
    if options.json:
        line({**asdict(report), "left_out": len(report.left_out)})
    else:
        print(
            f"{report.indexed} of {report.objects} objects indexed, {len(report.left_out)} left out;"
            f" the old index: {report.old_index}"
        )
    return 1 if any(one.kind == "damaged" for one in report.left_out) else 0
