"""A picture of an image as a screen shows it: python examples/display.py IMAGE.dcm OUT.png [CENTER WIDTH]"""

import sys

from PIL import Image

import pacskit as pk
from pacskit.pixels import Window, render, windows


def main(source: str, target: str, *window: str) -> None:
    ds = pk.dcmread(source)
    for each in windows(ds):
        print(f"window {each.center:g}, {each.width:g}: {each.explanation or each.function}")
    chosen = Window(float(window[0]), float(window[1])) if window else "auto"
    picture = render(ds, window=chosen)
    print(f"{picture.shape[1]} x {picture.shape[0]} pixels from {picture.min()} to {picture.max()}")
    Image.fromarray(picture).save(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
