"""The pictures of the how-to pages are what the code draws."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "how-to" / "pictures"


def test_the_pictures_are_drawn_by_this_version(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "pictures.py", str(tmp_path)],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    drawn = sorted(path.name for path in tmp_path.glob("*.png"))
    assert drawn == sorted(path.name for path in PICTURES.glob("*.png"))
    for name in drawn:
        with Image.open(tmp_path / name) as ours, Image.open(PICTURES / name) as kept:
            assert ours.size == kept.size
            # Another Pillow may choose other shades, and write with another font.
            off = np.abs(np.asarray(ours.convert("L"), int) - np.asarray(kept.convert("L")))
            assert off.mean() < 2
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 100_000
    pages = [path.read_text("utf-8") for path in (ROOT / "docs" / "how-to").glob("*.md")]
    assert all(any(f"pictures/{name}" in page for page in pages) for name in drawn)
