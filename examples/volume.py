"""A series from the front: python examples/volume.py FOLDER OUT.png"""

import sys
from pathlib import Path

from PIL import Image

import pacskit as pk
from pacskit.pixels import Volume, Window, sort_series


def main(folder: str, target: str) -> None:
    series = [pk.dcmread(path) for path in sorted(Path(folder).iterdir())]
    stack = sort_series(series)  # no pixels are read yet
    print(f"{len(stack.order)} slices, {stack.spacing:g} mm apart, {len(stack.missing)} missing, tilt {stack.tilt:g}")
    volume = Volume.from_datasets(series, drop_duplicates=True)
    front = volume.reformat("coronal").project("max")
    picture = Window(40, 1200).normalize(front.array[0]) * 255
    Image.fromarray(picture.round().astype("uint8")).save(target)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
