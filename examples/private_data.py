"""Private data: reserve a block, read it back by a vendor's dictionary, show what a file's vendors have put in.

python examples/private_data.py [FILE...]
"""

import sys

from pacskit.core.config import ReadOptions
from pacskit.core.csa import csa_header
from pacskit.core.dataset import Dataset
from pacskit.core.private import PrivateDictionary
from pacskit.core.uids import ImplicitVRLittleEndian
from pacskit.encoding import dcmread, decode, encode


def round_trip() -> Dataset:
    """Write private attributes, and read them where nothing but the dictionary says what they are."""
    dataset = Dataset(PatientID="42")
    block = dataset.private_block(0x0011, "ACME DOSE 1.0", create=True)
    block.add_new(0x01, "DS", "1.25")
    block.add_new(0x02, "SQ", [Dataset(PatientComments="an item")])

    ours = PrivateDictionary()
    ours.add("ACME DOSE 1.0", "0011xx01", "DS", "1", "Dose Index")
    ours.add("ACME DOSE 1.0", "0011xx02", "SQ", "1", "Notes")
    data = encode(dataset, ImplicitVRLittleEndian)  # which has no VRs
    return decode(data, ImplicitVRLittleEndian, options=ReadOptions(private=ours))


def describe(path: str) -> None:
    """List the blocks of a file, and a little of a Siemens CSA header."""
    dataset = dcmread(path, stop_before_pixels=True)
    for group in sorted({tag >> 16 for tag in dataset.tags() if tag & 0x10000}):
        for block in dataset.private_blocks(group):
            print(f"({group:04X},{block.block_start >> 8:02X}xx) {block.private_creator}: {len(block)} elements")
    for element in dataset.private_orphans():
        print(f"{element.tag} is in a block that nobody reserved")
    try:
        header = csa_header(dataset)
    except KeyError:
        return
    print(f"{header!r}; b-value {header.value('B_value')}, mosaic of {header.value('NumberOfImagesInMosaic')} images")


if __name__ == "__main__":
    print(round_trip())
    for name in sys.argv[1:]:
        describe(name)
