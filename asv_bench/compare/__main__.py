"""The command: ``python -m asv_bench.compare``."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

from asv_bench.compare import (
    aio,
    associations,
    codec_families,
    codecs,
    display,
    edits,
    finding,
    footprint,
    index,
    ingest,
    jobs,
    jpeg_lossless,
    latency,
    network,
    parse,
    pixels,
    rebuild,
    scan,
    stores,
    textforms,
    tls,
    transcoding,
)
from asv_bench.compare.processes import tool, workspace
from asv_bench.compare.rows import Missing, Result, Scale, measure, table

ROWS = [
    *parse.ROWS,
    *edits.ROWS,
    *textforms.ROWS,
    *scan.ROWS,
    *network.ROWS,
    *associations.ROWS,
    *aio.ROWS,
    *tls.ROWS,
    *latency.ROWS,
    *codecs.ROWS,
    *jpeg_lossless.ROWS,
    *codec_families.ROWS,
    *pixels.ROWS,
    *display.ROWS,
    *transcoding.ROWS,
    *index.ROWS,
    *ingest.ROWS,
    *rebuild.ROWS,
    *finding.ROWS,
    *jobs.ROWS,
    *footprint.ROWS,
    *stores.ROWS,
]


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in ("pydicom", "pynetdicom", "dicomsdl", "fastdicom", "imagecodecs", "pylibjpeg-libjpeg"):
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"no {name}")
    try:
        shown = subprocess.run([tool("storescp"), "--version"], capture_output=True, text=True, check=False).stdout
        found.append("DCMTK " + shown.split("storescp v")[1].split()[0])
    except (Missing, IndexError):
        found.append("no DCMTK")
    return ", ".join(found)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m asv_bench.compare",
        description="Measure pacskit beside pydicom, pynetdicom and DCMTK; subjects take turns in each round.",
        epilog="rows: " + ", ".join(row.key for row in ROWS),
    )
    parser.add_argument("--quick", action="store_true", help="little inputs: shows that it works, and the magnitude")
    parser.add_argument("--only", nargs="+", metavar="ROW", default=[], help="these rows; a beginning will do")
    parser.add_argument("--rounds", type=int, help="3; 1 with --quick")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and say by the exit status whether every requirement is met."""
    chosen = _arguments(arguments)
    rows = [row for row in ROWS if not chosen.only or row.key.startswith(tuple(chosen.only))]
    if not rows:
        print("no such row; the rows are " + ", ".join(row.key for row in ROWS), file=sys.stderr)
        return 2
    rounds = chosen.rounds or (1 if chosen.quick else 3)
    results: list[Result] = []
    with workspace():
        for row in rows:
            began = time.monotonic()
            results.append(measure(row, Scale(chosen.quick), rounds))
            print(f"  {row.key}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    print(f"{_versions()}; {platform.machine()}; {rounds} round(s){', quick' if chosen.quick else ''}\n")
    print(table(results))
    if chosen.json:
        chosen.json.write_text(json.dumps([result.as_dict() for result in results], indent=1) + "\n")
    return 1 if any(result.verdict == "BELOW" for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
