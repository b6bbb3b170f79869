"""The comparison of codecs measures what it says; no test here looks at a time."""

from __future__ import annotations

import numpy as np
import pytest

from asv_bench.benchmarks.pictures import FORMATS, picture
from asv_bench.compare import codecs
from asv_bench.compare.rows import Row, Scale, measure


class Tiny(Scale):
    """One of everything."""

    def __call__(self, quick: int, full: int) -> int:
        return 1


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_have_their_format_and_are_the_same_each_time(name: str) -> None:
    pixels = picture(name)
    assert (pixels.shape, pixels.dtype) == (FORMATS[name].shape, FORMATS[name].dtype)
    assert np.array_equal(pixels, picture(name))
    assert int(pixels.max()) < 1 << FORMATS[name].bits_stored


RLE = [row for row in codecs.ROWS if row.key.startswith("rle")]


@pytest.mark.parametrize("row", RLE, ids=lambda row: row.key)
def test_a_row_runs(row: Row) -> None:
    result = measure(row, Tiny(True), rounds=1)
    assert result.missing == {}
