"""Files from one transfer syntax to another, beside DCMTK's tools; and the memory that it takes."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from asv_bench.benchmarks.pictures import CODED, FORMATS, picture
from asv_bench.compare.processes import tool
from asv_bench.compare.rows import Build, Missing, Row, Scale, Subject
from pacskit.core.dataset import Dataset
from pacskit.encoding.transcoding import transcode_file

__all__ = ["ROWS", "make_series"]

ROOT = Path(__file__).resolve().parents[2]
_TOOLS = {"jpegll": ("dcmcjpeg", "+e1"), "rle": ("dcmcrle",), "jpegls": ("dcmcjpls",)}
_MB = 1e6
_PEAK = """
import resource, sys
import imagecodecs
from pacskit.encoding.codecs import registry
from pacskit.encoding.transcoding import transcode_file
registry.entries()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
transcode_file(*sys.argv[1:4])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def make_series(path: Path, frames: int) -> int:
    """Write a multi-frame CT; return the bytes of its pixels."""
    format, pixels = FORMATS["CT"], picture("CT")
    dataset = Dataset(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7.3", SOPInstanceUID="1.2.826.0.1.3680043.10.1337.8",
        Rows=format.rows, Columns=format.columns, SamplesPerPixel=1, BitsAllocated=16, BitsStored=12, HighBit=11,
        PixelRepresentation=0, PhotometricInterpretation="MONOCHROME2", NumberOfFrames=frames,
    )  # fmt: skip
    dataset.add_new("PixelData", "OW", b"".join(np.roll(pixels, number, 0).tobytes() for number in range(frames)))
    dataset.save_as(path)
    return frames * format.nbytes


def _folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(TemporaryDirectory()))


def _ours(source: Path, target: Path, syntax: str, size: int, clock: Callable[[], float]) -> float:
    began = clock()
    transcode_file(source, target, syntax)
    return size / (clock() - began) / _MB


def _theirs(command: tuple[str, ...], source: Path, target: Path, size: int, wall: bool) -> float:
    program = tool(command[0])
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([program, *command[1:], str(source), str(target)], capture_output=True, check=False)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    if done.returncode:
        raise Missing(f"{command[0]} ends with {done.returncode}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return size / (ended - began if wall else cpu) / _MB


def _throughput(codec: str, wall: bool) -> Build:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        folder = _folder(stack)
        source, target = folder / "native.dcm", folder / "made.dcm"
        size = make_series(source, scale(10, 100))
        clock = time.perf_counter if wall else time.process_time
        return [
            Subject("pacskit", lambda: _ours(source, target, CODED[codec], size, clock)),
            Subject("DCMTK", lambda: _theirs(_TOOLS[codec], source, target, size, wall)),
        ]

    return build


def _memory(scale: Scale, stack: ExitStack) -> list[Subject]:
    """MB that a process grows by, beyond one frame, while 500 MB become JPEG Lossless."""
    folder = _folder(stack)
    source = folder / "native.dcm"
    make_series(source, scale(100, 1000))
    command = [sys.executable, "-c", _PEAK, str(source), str(folder / "made.dcm"), CODED["jpegll"]]

    def run() -> float:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return (int(done.stdout) * 1024 - FORMATS["CT"].nbytes) / _MB

    return [Subject("pacskit", run)]


_NAMES = {"jpegll": "JPEG Lossless SV1", "rle": "RLE Lossless", "jpegls": "JPEG-LS"}
ROWS = [
    *(
        Row(
            f"transcode:{codec}:{'wall' if wall else 'cpu'}",
            f"100 native CT frames to {name} ({'wall' if wall else 'CPU'})",
            "MB/s",
            _throughput(codec, wall),
            1,
            "DCMTK",
        )
        for codec, name in _NAMES.items()
        for wall in (False, True)
    ),
    Row("transcode:memory", "Memory while 500 MB are transcoded, over one frame", "MB", _memory, below=64),
]
