"""What is in a folder, without opening a file by hand: python examples/scan_folder.py FOLDER"""

import sys
from collections import Counter

from pacskit.encoding.scan import scan


def main(folder: str) -> None:
    studies: Counter[tuple[str, str]] = Counter()
    for row in scan(folder, ["StudyInstanceUID", "Modality", "SeriesDescription"]):
        if row.error is not None:  # unreadable files are rows too
            print(f"{row.path}: {row.error}", file=sys.stderr)
            continue
        studies[row.get("StudyInstanceUID", "?"), row.get("Modality", "?")] += 1
    for (study, modality), count in studies.most_common():
        print(f"{study}  {modality:<4} {count:6} files")


if __name__ == "__main__":
    main(sys.argv[1])
