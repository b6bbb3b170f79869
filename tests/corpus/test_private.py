"""The private attributes of real files: removed as pydicom removes them; headers of Siemens, GE and Philips."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from pacskit.core.csa import CSAHeader, csa_header
from pacskit.core.dataset import Dataset
from pacskit.core.errors import DecodeError, LimitError, TruncatedError
from pacskit.core.vendors import ge_protocol, ge_protocol_text, philips_stacks
from pacskit.encoding import dcmread
from tests.corpus.test_files import rows
from tests.oracles.differences import TRUNCATED

pytestmark = pytest.mark.corpus

GE = "dcm_qa_nih/In/20180918GE/mr_0004/axial_epi_fmri_interleaved_i_to_s-00001.dcm"
SIEMENS = "dcm_qa_nih/In/20180918Si/mr_0003/epi_pe_ap-00001.dcm"
PHILIPS = "dcm_qa_enh/In/Philips/IM_0027_fMAP.dcm"
DTI = "nibabel/nibabel/nicom/tests/data/1.dcm"


def test_removal_leaves_what_pydicom_leaves(corpus: Path) -> None:
    import pydicom

    removed = 0
    for name in rows(corpus):
        if name in TRUNCATED:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pydicom.dcmread(corpus / name, force=True)
            theirs.remove_private_tags()
            expected = [int(element.tag) for element in theirs.iterall()]
        ours = dcmread(corpus / name, force=True)
        removed += ours.remove_private_tags()
        assert [int(element.tag) for element in ours.iterall()] == expected, name
    assert removed > 10_000


def test_names_are_pydicom_s_where_it_has_one(corpus: Path) -> None:
    # It gives none to sequences that it reads, to creators in some files, and to what only DCMTK's list has.
    import pydicom

    named = 0
    for name in (GE, SIEMENS, PHILIPS):
        theirs = pydicom.dcmread(corpus / name)
        for element in dcmread(corpus / name):
            if element.is_private and (their := theirs[int(element.tag)].name).startswith("["):
                assert element.name == their
                named += 1
    assert named > 400


# ---- Siemens ----------------------------------------------------------------------------------------


def headers(corpus: Path) -> Iterator[tuple[str, bytes, CSAHeader]]:
    kinds: tuple[Literal["image", "series"], ...] = ("image", "series")
    for name in rows(corpus):
        if name in TRUNCATED:
            continue
        dataset = dcmread(corpus / name, force=True)
        for kind, offset in zip(kinds, (0x10, 0x20), strict=True):
            try:
                element = dataset.get_private_item(0x0029, offset, "SIEMENS CSA HEADER")
            except KeyError:
                continue
            yield f"{name} {kind}", element.value, csa_header(dataset, kind)


def trimmed(items: list[Any]) -> list[Any]:
    while items and items[-1] in ("", b""):
        items.pop()
    return items


def test_csa_headers_hold_what_nibabel_reads(corpus: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = pytest.importorskip("nibabel.nicom.csareader", reason="nibabel is not installed")
    count = 0
    for name, data, ours in headers(corpus):
        theirs = reader.read(data)
        assert ours.version == theirs["type"], name
        assert list(ours) == list(theirs["tags"]), name
        for key, tag in theirs["tags"].items():
            assert (ours.elements[key].vr, ours.elements[key].vm) == (tag["vr"], tag["vm"])
            assert list(ours[key]) == trimmed(tag["items"]), (name, key)
        count += 1
    assert count > 20


def test_a_csa_header_says_what_is_known_of_the_image(corpus: Path) -> None:
    dataset = dcmread(corpus / DTI)
    image = csa_header(dataset)
    attributes = dataset.private_block(0x0019, "SIEMENS MR HEADER")  # the same facts as attributes
    assert image.value("NumberOfImagesInMosaic") == attributes[0x0A].value == 48
    assert image["B_value"] == (attributes[0x0C].value,)
    assert image["MosaicRefAcqTimes"] == pytest.approx(attributes[0x29].value)
    assert len(image["SliceNormalVector"]) == 3
    assert image["B_matrix"] == ()
    assert image.get("no such element") is None
    protocol = csa_header(dataset, "series").protocol
    assert protocol["sSliceArray.lSize"] == 48
    assert protocol["tProtocolName"] == "CBU+AF8-DTI+AF8-64D+AF8-1A"


def test_the_protocol_agrees_with_the_attributes(corpus: Path) -> None:
    dataset = dcmread(corpus / SIEMENS)
    protocol = csa_header(dataset, "series").protocol
    assert protocol["alTR[0]"] == dataset.RepetitionTime * 1000
    assert protocol["alTE[0]"] == dataset.EchoTime * 1000
    assert protocol["tProtocolName"] == dataset.ProtocolName
    assert protocol["ucScanRegionPosValid"] == 1
    assert protocol["lPtabAbsStartPosZ"] == -1085


def test_an_image_without_csa_header_says_so(corpus: Path) -> None:
    with pytest.raises(KeyError):
        csa_header(dcmread(corpus / GE))


# ---- GE and Philips ---------------------------------------------------------------------------------


def test_the_protocol_block_of_ge_agrees_with_the_attributes(corpus: Path) -> None:
    dataset = dcmread(corpus / GE)
    settings = ge_protocol(dataset)
    assert settings["SEDESC"] == dataset.SeriesDescription
    assert float(settings["FLIPANG"]) == dataset.FlipAngle
    assert float(settings["TE"]) == dataset.EchoTime
    assert float(settings["TR"]) == dataset.RepetitionTime
    assert settings["ENTRY"] == "Head First"


def block(data: bytes) -> Dataset:
    dataset = Dataset()
    dataset.private_block(0x0025, "GEMS_SERS_01", create=True).add_new(0x1B, "OB", data)
    return dataset


def test_a_damaged_protocol_block_is_a_typed_error() -> None:
    machine = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    plain = b'<GE>\nset A "1 "2""\n  B "x"\n</GE>\n'
    packed = machine.compress(plain) + machine.flush()
    whole = len(packed).to_bytes(4, "little") + packed
    assert ge_protocol(block(whole)) == {"A": '1 "2"', "B": "x"}
    assert ge_protocol_text(block(whole)) == plain.decode()
    with pytest.raises(KeyError):
        ge_protocol(Dataset())
    with pytest.raises(LimitError):
        ge_protocol(block(whole), limit=len(plain) - 1)
    assert ge_protocol_text(block(whole), limit=len(plain)) == plain.decode()
    for cut in range(len(whole)):
        with pytest.raises(DecodeError):
            ge_protocol(block(whole[:cut]))
    with pytest.raises(TruncatedError):
        ge_protocol(block((len(packed) - 9).to_bytes(4, "little") + packed[:-9]))
    for data in (b"\0\0\0\0", b"\x04\0\0\0abcd"):
        with pytest.raises(DecodeError):
            ge_protocol(block(data))


def test_the_stacks_of_philips(corpus: Path) -> None:
    import pydicom

    dataset = dcmread(corpus / PHILIPS)
    (stack,) = philips_stacks(dataset)
    item = pydicom.dcmread(corpus / PHILIPS)[0x2001, 0x105F].value[0]
    assert stack.number_of_slices == item[0x2001, 0x102D].value == 32
    assert (stack.type, stack.radial_axis, stack.radial_angle, stack.slice_number) == ("PARALLEL", "AP", 0.0, 1)
    assert stack.item.tags() == [int(element.tag) for element in item]
    with pytest.raises(KeyError):
        philips_stacks(Dataset())
