"""DCMTK's print SCP: N-GET, N-CREATE, N-SET, N-ACTION and N-DELETE by the meta SOP class (PS3.4 annex H)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pacskit
from pacskit.core.errors import DimseError
from pacskit.core.uids import (
    BasicFilmBox,
    BasicFilmSession,
    BasicGrayscaleImageBox,
    BasicGrayscalePrintManagementMeta,
    Printer,
    PrinterInstance,
)
from tests.conftest import Dcmtk
from tests.interop.conftest import LOOPBACK, answers, free_port

pytestmark = pytest.mark.interop

META = BasicGrayscalePrintManagementMeta
Dataset = pacskit.Dataset


@pytest.fixture
def printer(dcmtk: Dcmtk, tmp_path: Path) -> Iterator[str]:
    """DCMTK's ``dcmprscp``; its address."""
    port = free_port()
    for name in ("log", "spool", "database", "lut", "reports"):
        (tmp_path / name).mkdir()
    (tmp_path / "print.cfg").write_text(
        "[[GENERAL]]\n[APPLICATION]\nLogDirectory = log\nLogFile = general.log\nLogLevel = INFO\n"
        "[PRINT]\nDirectory = spool\nDetailedLog = false\nBinaryLog = false\n"
        "MinPrintResolution = 1024\\1024\nMaxPrintResolution = 8192\\8192\n"
        "DefaultIllumination = 2000\nDefaultReflection = 10\n"
        "[DATABASE]\nDirectory = database\n[LUT]\nDirectory = lut\n[REPORT]\nDirectory = reports\n"
        "[NETWORK]\naetitle = DCMPSTATE\n"
        "[[COMMUNICATION]]\n[PRINTER]\nAetitle = PRINTER\nDescription = a printer\nHostname = localhost\n"
        f"Port = {port}\nType = LOCALPRINTER\nDisplayFormat = 1,1\\1,2\nFilmSizeID = 8INX10IN\n"
        "MediumType = PAPER\\BLUE FILM\nMaxDensity = 320\nMinDensity = 20\nMaxPDU = 32768\n"
        "MagnificationType = REPLICATE\\NONE\nFilmDestination = MAGAZINE\nBorderDensity = BLACK\n"
        "EmptyImageDensity = BLACK\nImplicitOnly = false\nSupports12Bit = true\n"
    )
    with (tmp_path / "printer.log").open("wb") as log:
        process = subprocess.Popen(
            [dcmtk.tool("dcmprscp"), "-v", "-c", "print.cfg", "-p", "PRINTER"], stdout=log, stderr=log, cwd=tmp_path
        )
        try:
            answers(port, process)
            yield f"PRINTER@{LOOPBACK}:{port}"
        finally:
            process.kill()
            process.wait(10)


def test_print_a_film(printer: str) -> None:
    with pacskit.connect(printer, calling="PACS") as peer:
        status = peer.n_get(Printer, PrinterInstance, ["PrinterStatus"], via=META)
        assert status.dataset is not None
        assert status.dataset.PrinterStatus == "NORMAL"
        session = peer.n_create(BasicFilmSession, Dataset(NumberOfCopies=1, MediumType="PAPER"), via=META)
        assert session.sop_instance_uid
        reference = Dataset(ReferencedSOPClassUID=BasicFilmSession, ReferencedSOPInstanceUID=session.sop_instance_uid)
        film = peer.n_create(
            BasicFilmBox,
            Dataset(
                ImageDisplayFormat="STANDARD\\1,1", FilmSizeID="8INX10IN", ReferencedFilmSessionSequence=[reference]
            ),
            via=META,
        )
        assert film.dataset is not None
        assert film.sop_instance_uid
        (box,) = film.dataset.ReferencedImageBoxSequence
        assert box.ReferencedSOPClassUID == BasicGrayscaleImageBox
        image = Dataset(
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            Rows=64,
            Columns=64,
            PixelAspectRatio=[1, 1],
            BitsAllocated=8,
            BitsStored=8,
            HighBit=7,
            PixelRepresentation=0,
            PixelData=bytes(4096),
        )
        content = Dataset(ImageBoxPosition=1, BasicGrayscaleImageSequence=[image])
        uid = str(box.ReferencedSOPInstanceUID)
        assert not peer.n_set(BasicGrayscaleImageBox, uid, content, via=META).status.is_failure
        assert not peer.n_action(BasicFilmBox, film.sop_instance_uid, 1, via=META).status.is_failure
        with pytest.raises(DimseError) as refused:
            peer.n_delete(BasicFilmBox, "1.2.3.4", via=META)
        assert refused.value.status == 0x0112
        assert peer.n_delete(BasicFilmBox, film.sop_instance_uid, via=META).status.is_success
        assert peer.n_delete(BasicFilmSession, session.sop_instance_uid, via=META).status.is_success
