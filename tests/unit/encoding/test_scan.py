"""Rows of a scan: pydicom's values, archives like folders, errors as rows, the same with any number of threads."""

from __future__ import annotations

import csv
import gzip
import io
import pickle
import shutil
import struct
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacskit.core.dataset import Dataset
from pacskit.core.errors import ConfigurationError, DecodeError, LimitError, TruncatedError
from pacskit.encoding import dcmwrite
from pacskit.encoding.scan import DEFAULT_KEYS, HeaderScan, ScanLimits, ScanRow, scan
from pacskit.encoding.transfer_syntax import TransferSyntax
from tests.foreign import wheel_files

KEYS = [
    *DEFAULT_KEYS, "SpecificCharacterSet", "StudyTime", "ImageType", "PixelSpacing", "Rows", "BitsStored",
    "SmallestImagePixelValue", "WindowCenter", "NumberOfFrames", "PatientComments", "ReferringPhysicianName",
    "ReferencedStudySequence[0].ReferencedSOPInstanceUID", "RequestAttributesSequence[0].ScheduledProcedureStepID",
    "(0008,0070)", "FrameIncrementPointer",
    "MediaStorageSOPInstanceUID", "FileMetaInformationVersion",
]  # fmt: skip
# Files that pydicom reads by guessing, or as far as they go.
REFUSED = {
    "badVR.dcm": "'1A' is not an integer string",
    "meta_missing_tsyntax.dcm": "names no transfer syntax",
    "DICOMDIR-nooffset": "the source ends inside an element",
}


def image(number: int = 1, **attributes: Any) -> bytes:
    dataset = Dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID=f"1.2.{number}", PatientID=str(number))
    dataset.update(attributes)
    file = io.BytesIO()
    dcmwrite(file, dataset, check=False)
    return file.getvalue()


def plain(value: Any) -> Any:
    if value is None or value == "" or (isinstance(value, (list, tuple)) and not value):
        return None
    if isinstance(value, bytes):
        return value
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return [plain(one) for one in value]
    return float(value) if isinstance(value, (int, float)) else str(value).rstrip(" ")


def theirs(dataset: Any, key: str) -> Any:
    """What pydicom has under a key."""
    if "," in key:
        found = dataset.get(tuple(int(part, 16) for part in key.strip("()").split(",")))
        return None if found is None else plain(found.value)
    if "[0]." in key:
        sequence, key = key.split("[0].")
        items = dataset.get(sequence)
        return plain(items[0].get(key)) if items else None
    return plain(dataset.get(key, dataset.file_meta.get(key)))


def compare(paths: list[Path], least: int) -> None:
    compared = 0
    for row in scan(paths, KEYS, dicomdirs=True, workers=1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                dataset = pydicom.dcmread(row.path, stop_before_pixels=True)
            except Exception:
                assert row.error is not None, row.path
                continue
            if row.error is not None:
                assert REFUSED[Path(row.path).name] in str(row.error), row
                continue
            assert row.size == Path(row.path).stat().st_size
            assert row.transfer_syntax == dataset.file_meta.get("TransferSyntaxUID")
            differing = {key for key in KEYS if plain(row[key]) != theirs(dataset, key)}
        assert differing == set(), (row.path, {key: (row[key], theirs(dataset, key)) for key in differing})
        compared += 1
    assert compared >= least


def test_rows_have_pydicoms_values() -> None:
    compare(list(wheel_files()), 60)


@pytest.mark.corpus
def test_rows_have_pydicoms_values_over_the_corpus(corpus: Path) -> None:
    with (corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        compare([corpus / row["file"] for row in csv.DictReader(file)], 350)


# ---- folders and order ----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(300):
        place = tmp_path / "scan" / f"series {number % 7}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:03}.dcm").write_bytes(image(number))
    (tmp_path / "scan" / "notes.txt").write_text("not an image")
    (tmp_path / "scan" / "empty.dcm").touch()
    return tmp_path / "scan"


def test_workers_and_order_change_no_row(folder: Path) -> None:
    alone = list(scan(folder, ["PatientID"], workers=1))
    assert len(alone) == 302
    assert [row.path for row in alone] == sorted((row.path for row in alone), key=lambda path: (path.count("/"), path))
    assert list(scan(folder, ["PatientID"], workers=3)) == alone
    loose = list(scan(folder, ["PatientID"], workers=3, ordered=False))
    assert sorted(loose, key=lambda row: row.path) == sorted(alone, key=lambda row: row.path)
    assert sorted(int(row["PatientID"]) for row in alone if row.error is None) == list(range(300))
    assert pickle.loads(pickle.dumps(alone)) == alone


def test_errors_are_rows(folder: Path, tmp_path: Path) -> None:
    whole = image(1)
    (folder / "cut.dcm").write_bytes(whole[:-4])
    (folder / "long.dcm").write_bytes(image(2, PatientComments="x" * 5000))
    keys = ["PatientID", "SOPInstanceUID", "PatientComments"]
    rows = {
        Path(row.path).name: row for row in scan([folder, tmp_path / "none"], keys, limits=ScanLimits(max_value=4000))
    }
    assert isinstance(rows["notes.txt"].error, TruncatedError)
    assert isinstance(rows["empty.dcm"].error, TruncatedError)
    assert isinstance(rows["cut.dcm"].error, TruncatedError)
    assert isinstance(rows["long.dcm"].error, LimitError)
    assert rows["long.dcm"].error.tag == 0x00104000
    assert isinstance(rows["none"].error, FileNotFoundError)
    assert rows["none"].size is None
    assert rows["none"].values == dict.fromkeys(keys)
    assert rows["042.dcm"].error is None


def test_a_header_that_is_longer_than_the_limit(tmp_path: Path) -> None:
    dataset = image(1)
    big = image(1, PatientComments="x" * 60000, Rows=1)
    (tmp_path / "big.dcm").write_bytes(big)
    (tmp_path / "small.dcm").write_bytes(dataset)
    found = list(scan(tmp_path, ["SOPInstanceUID", "Rows"], limits=ScanLimits(max_header=20000)))
    assert [type(row.error) for row in found] == [LimitError, type(None)]
    assert next(iter(scan(tmp_path, ["SOPInstanceUID"], limits=ScanLimits(max_header=20000)))).error is None
    assert next(iter(scan(tmp_path, ["SOPInstanceUID", "Rows"]))).error is None


@pytest.mark.parametrize("size", [0, 100, 16_000, 16_384, 131_000, 300_000])
def test_headers_of_any_length_are_read_as_far_as_needed(tmp_path: Path, size: int) -> None:
    dataset = Dataset(PatientID="7", Rows=9, SOPClassUID="1.2", SOPInstanceUID="1.2.3")
    dataset.add_new(0x00110010, "LO", "SOMEBODY")
    dataset.add_new(0x00111000, "OB", bytes(size))
    dcmwrite(tmp_path / "file.dcm", dataset)
    (row,) = scan(tmp_path, ["Rows", "PatientID"])
    assert (row["Rows"], row["PatientID"], row.error) == (9, "7", None)


def test_folders_links_and_dicomdirs(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "linked.dcm").write_bytes(image(5))
    (tmp_path / "other" / "round").symlink_to(tmp_path / "other")
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "link").symlink_to(tmp_path / "other")
    assert len(list(scan(folder, ["PatientID"], recursive=False))) == 2
    assert [row.error for row in scan(tmp_path / "only", ["PatientID"], follow_links=True)] == [None]
    assert all(isinstance(row.error, OSError) for row in scan(tmp_path / "only", ["PatientID"]))
    directory = next(path for path in Path(str(pydicom.__file__)).parent.rglob("DICOMDIR"))
    assert list(scan(directory)) == []
    (row,) = scan(directory, dicomdirs=True)
    assert row.is_dicomdir
    assert row.error is None


def test_deflated_and_headless_files(tmp_path: Path) -> None:
    deflated = tmp_path / "deflated.dcm"
    dcmwrite(
        deflated, Dataset(PatientID="Z", SOPClassUID="1.2", SOPInstanceUID="1.2.3"),
        transfer_syntax=TransferSyntax.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    )  # fmt: skip
    bare = tmp_path / "bare.dcm"
    bare.write_bytes(image(1)[image(1).index(b"\x08\0\x16\0") :])
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.write(deflated, "deflated.dcm")
        archive.write(bare, "bare.dcm")
    rows = {(Path(row.path).name, row.member): row for row in scan(tmp_path, ["PatientID"])}
    assert rows["deflated.dcm", None]["PatientID"] == rows["both.zip", "deflated.dcm"]["PatientID"] == "Z"
    assert isinstance(rows["bare.dcm", None].error, DecodeError)
    forced = {(Path(row.path).name, row.member): row for row in scan(tmp_path, ["PatientID"], force=True)}
    assert forced["bare.dcm", None]["PatientID"] == forced["both.zip", "bare.dcm"]["PatientID"] == "1"


# ---- archives -------------------------------------------------------------------------------------------------------


def zipped(target: Path, folder: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))


def tarred(mode: Any) -> Callable[[Path, Path], None]:
    def make(target: Path, folder: Path) -> None:
        with tarfile.open(target, mode) as archive:
            archive.add(folder, "top")

    return make


ARCHIVES = [("a.zip", zipped), ("a.tar", tarred("w")), ("a.tar.gz", tarred("w:gz")), ("a.TXZ", tarred("w:xz"))]


@pytest.mark.parametrize(("name", "make"), ARCHIVES)
def test_members_are_rows_like_files(
    folder: Path, tmp_path: Path, name: str, make: Callable[[Path, Path], None]
) -> None:
    make(tmp_path / name, folder)
    files = list(scan(folder, ["PatientID", "SOPInstanceUID"]))
    for workers in (1, 3):
        members = list(scan(tmp_path / name, ["PatientID", "SOPInstanceUID"], workers=workers))
        assert all(row.member is not None for row in members)
        by_name = {Path(str(row.member)).name: row for row in members}
        assert len(by_name) == len(files)
        for row in files:
            found = by_name[Path(row.path).name]
            assert (found.values, found.size, type(found.error)) == (row.values, row.size, type(row.error))
    (row,) = scan(tmp_path / name, ["PatientID"], archives=False)
    assert row.error is not None


@pytest.mark.parametrize("cut", [0.05, 0.5, 0.97])
@pytest.mark.parametrize(("name", "make"), ARCHIVES)
def test_a_damaged_archive_is_a_row(
    folder: Path, tmp_path: Path, name: str, make: Callable[[Path, Path], None], cut: float
) -> None:
    make(tmp_path / name, folder)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * cut)])
    rows = list(scan(tmp_path / name, ["PatientID"], workers=2))
    assert rows[-1].error is not None
    (tmp_path / name).write_bytes(b"no archive at all" * 100)
    assert [type(row.error) for row in scan(tmp_path / name, ["PatientID"])] == [DecodeError]


@given(st.binary(max_size=300), st.integers(0, 2000), st.sampled_from(["zip", "tar", "tar.gz"]))
def test_any_archive_gives_rows(tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int, kind: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    good = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(good, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("one.dcm", image(1))
    else:
        with tarfile.open(fileobj=good, mode="w:gz" if kind == "tar.gz" else "w") as tar:
            info = tarfile.TarInfo("one.dcm")
            info.size = len(image(1))
            tar.addfile(info, io.BytesIO(image(1)))
    whole = good.getvalue()
    (folder / f"x.{kind}").write_bytes(whole[: at % len(whole)] + data + whole[at % len(whole) + len(data) :])
    for row in scan(folder, ["PatientID"], workers=1):
        assert isinstance(row, ScanRow)
    shutil.rmtree(folder)


def test_bombs_are_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "bomb.tar.gz", "wb") as stream:
        info = tarfile.TarInfo("zeros")
        info.size = 1 << 27
        stream.write(info.tobuf())
        for _ in range(128):
            stream.write(bytes(1 << 20))
        stream.write(bytes(1024))
    rows = list(scan(tmp_path / "bomb.tar.gz", ["PatientID"]))
    assert isinstance(rows[-1].error, LimitError)
    # A header that goes on without end.
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        head = image(1)
        long = struct.pack("<HH2sHI", 0x0009, 0x1000, b"OB", 0, 1 << 26) + bytes(1 << 26)
        end = struct.pack("<HH2sH", 0x0028, 0x0010, b"US", 2) + b"\1\0"
        archive.writestr("long.dcm", head + long + end)
    (row,) = scan(tmp_path / "bomb.zip", ["Rows"])
    assert isinstance(row.error, LimitError)
    many = tmp_path / "many.zip"
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}.dcm", image(number))
    rows = list(scan(many, ["PatientID"], limits=ScanLimits(max_members=5)))
    assert [row["PatientID"] for row in rows[:5]] == ["0", "1", "2", "3", "4"]
    assert len(rows) == 6
    assert isinstance(rows[5].error, LimitError)


def test_an_encrypted_member_is_a_row(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.dcm", image(1))
    data = bytearray((tmp_path / "x.zip").read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(data)
    (row,) = scan(tmp_path / "x.zip", ["PatientID"])
    assert isinstance(row.error, DecodeError)
    assert "encrypted" in str(row.error)


# ---- keys, progress, leaving early ----------------------------------------------------------------------------------


def test_keys_are_keywords_tags_and_paths(tmp_path: Path) -> None:
    item = Dataset(ReferencedSOPInstanceUID="1.9", SpecificCharacterSet="ISO_IR 192")
    item.add_new(0x0040A160, "UT", "größer")
    (tmp_path / "x.dcm").write_bytes(image(1, ReferencedStudySequence=[Dataset(ReferencedSOPInstanceUID="1.8"), item]))
    keys: list[Any] = [
        "PatientID", 0x00100020, (0x0008, 0x0018), "(0010,0020)", "00100020",
        "ReferencedStudySequence[1].ReferencedSOPInstanceUID", "00081110[0].(0008,1155)",
        "ReferencedStudySequence[-1].TextValue", "ReferencedStudySequence[2].TextValue",
        "ReferencedStudySequence[-3].TextValue",
    ]  # fmt: skip
    (row,) = scan(tmp_path, keys)
    assert list(row.values.values()) == ["1", "1.2.1", "1", "1", "1.9", "1.8", "größer", None, None]
    assert row["SOPInstanceUID"] == "1.2.1"


@pytest.mark.parametrize(
    "key",
    ["NoKeyword", "ReferencedStudySequence", "PixelData", "A..B", "ReferencedStudySequence.PatientID", "", "X[0]"],
)
def test_keys_that_cannot_be(key: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        scan("x", [key])


def test_progress_knows_the_total_at_the_end(folder: Path) -> None:
    for workers in (1, 2):
        seen: list[tuple[int, int | None]] = []

        def note(done: int, total: int | None, seen: list[tuple[int, int | None]] = seen) -> None:
            seen.append((done, total))

        rows = list(scan(folder, ["PatientID"], workers=workers, progress=note))
        assert seen[-1] == (len(rows), len(rows))
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_scan_can_be_left_and_made_again(folder: Path, tmp_path: Path) -> None:
    zipped(tmp_path / "a.zip", folder)
    tarred("w:gz")(tmp_path / "a.tgz", folder)
    for path in (folder, tmp_path / "a.zip", tmp_path / "a.tgz"):
        found: HeaderScan = scan(path, ["PatientID"], workers=2)
        rows = iter(found)
        next(rows)
        rows.close()  # type: ignore[attr-defined]
        assert len(list(found)) == 302


# ---- tables ---------------------------------------------------------------------------------------------------------


def test_tables_hold_what_the_rows_do(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    keys = ["PatientID", "Rows", "PixelSpacing", "ImageType", "NumberOfFrames", "StudyDate"]
    (tmp_path / "in").mkdir()
    for number in range(5):
        (tmp_path / "in" / f"{number}.dcm").write_bytes(
            image(number, Rows=number + 60000, PixelSpacing=[0.5, 1.5], ImageType=["ORIGINAL", "PRIMARY"])
        )
    (tmp_path / "in" / "bad.dcm").touch()
    found = scan(tmp_path / "in", keys)
    rows = list(found)
    table = found.to_arrow()
    for column in keys:
        assert table.column(column).to_pylist() == [row[column] for row in rows]
    assert table.column("path").to_pylist() == [row.path for row in rows]
    assert [error is None for error in table.column("error").to_pylist()] == [row.error is None for row in rows]
    assert [str(table.schema.field(name).type) for name in keys[:4]] == [
        "string", "uint16", "list<item: double>", "list<item: string>",
    ]  # fmt: skip
    assert found.to_parquet(tmp_path / "out.parquet") == 6
    assert parquet.read_table(tmp_path / "out.parquet").equals(table)


def test_a_data_frame_has_the_columns(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("pandas")
    (tmp_path / "a.dcm").write_bytes(image(3, Rows=7))
    frame = scan(tmp_path, ["PatientID", "Rows"]).to_pandas()
    assert frame[["PatientID", "Rows"]].values.tolist() == [["3", 7]]


def test_a_value_that_does_not_fit_is_said(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    dataset = Dataset(SOPClassUID="1.2", SOPInstanceUID="1.2.3", PatientID=["A", "B"])
    dataset.add_new(0x00280010, "US", [1, 2])
    dcmwrite(tmp_path / "x.dcm", dataset, check=False)
    table = scan(tmp_path, ["PatientID", "Rows"]).to_arrow()
    assert table.column("PatientID").to_pylist() == ["A\\B"]
    assert table.column("Rows").to_pylist() == [None]
    assert "Rows does not fit" in table.column("error")[0].as_py()


def test_a_table_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pacskit\[arrow\]"):
        scan(tmp_path).to_arrow()
