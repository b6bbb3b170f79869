"""Frames as they are stored: python examples/frames.py MULTIFRAME.dcm FRAME OUT"""

import sys
from pathlib import Path

import pacskit as pk
from pacskit.encoding.frames import FrameIndex


def main(source: str, number: int, target: str) -> None:
    with pk.dcmopen(source) as ds:  # mapped: only what is touched is read
        index = FrameIndex(ds)
        print(f"{len(index)} frames, divided by {index.divided_by}")
        if index.is_encapsulated:
            print("in the file at", *index.spans(number))
        Path(target).write_bytes(index.frame(number))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
