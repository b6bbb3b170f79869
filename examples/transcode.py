"""Convert a file to JPEG-LS and back: python transcode.py image.dcm small.dcm

Frames go from file to file, a few at a time; nothing is lost, and that is checked.
"""

import sys

import pacskit as pk
from pacskit import TransferSyntax


def main(source: str, target: str) -> None:
    made = pk.transcode_file(source, target, TransferSyntax.JPEG_LS_LOSSLESS, verify=True)
    print(f"{made.frames} frame(s), {made.size_before} bytes became {made.size_after}: {made.step}")
    again = pk.dcmread(target).transcode(TransferSyntax.EXPLICIT_VR_LITTLE_ENDIAN)
    print("same pixels:", (again.pixel_array == pk.dcmread(source).pixel_array).all())


if __name__ == "__main__":
    main(*sys.argv[1:])
