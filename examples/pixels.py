"""Pixels of a file, frame by frame: python examples/pixels.py FILE.dcm"""

import sys

import pacskit as pk


def main(source: str) -> None:
    with pk.dcmopen(source) as ds:  # mapped: only the frames that are asked for are read
        reader = pk.pixels.PixelReader(ds)
        print(f"{reader.number_of_frames} frame(s) of {reader.format}, given as {reader.photometric}")
        for number, frame in enumerate(reader.frames()):  # decoded in threads, a few ahead
            print(f"frame {number}: {frame.dtype}, {frame.min()} to {frame.max()}, mean {frame.mean():.2f}")
        for group in pk.pixels.overlay_groups(ds):
            plane = pk.pixels.overlay_array(ds, group)
            print(f"overlay {group:04X}: {plane.sum()} points")


if __name__ == "__main__":
    main(sys.argv[1])
