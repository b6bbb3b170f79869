"""The bench with DCMTK's commands. Those that have no TLS get it from a relay, as from stunnel in a hospital."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pydicom

import pacskit
from pacskit.core.uids import (
    BasicFilmBox,
    BasicFilmSession,
    BasicGrayscaleImageBox,
    Printer,
    PrinterInstance,
)
from tests.conftest import Dcmtk
from tests.interop.bench import CT, INSTANCE, META, MR, STUDY, Bench, Ours
from tests.interop.conftest import LOOPBACK, free_port, run
from tests.interop.files import examine, sha256

__all__ = ["PRINT_CONFIG", "DcmtkBench"]

Dataset = pacskit.Dataset
MANY = 120  # studies, whose answers do not fit into the buffers of a connection
PRINT_CONFIG = (
    "[[GENERAL]]\n[APPLICATION]\nLogDirectory = .\nLogFile = general.log\nLogLevel = INFO\n"
    "[PRINT]\nDirectory = .\nDetailedLog = false\nBinaryLog = false\n"
    "MinPrintResolution = 64\\64\nMaxPrintResolution = 8192\\8192\n"
    "DefaultIllumination = 2000\nDefaultReflection = 10\n"
    "[DATABASE]\nDirectory = .\n[LUT]\nDirectory = .\n[REPORT]\nDirectory = .\n"
    "[NETWORK]\naetitle = DCMPSTATE\n"
    "[[COMMUNICATION]]\n[PRINTER]\nAetitle = {ae}\nDescription = a printer\nHostname = 127.0.0.1\n"
    "Port = {port}\nType = {kind}\nDisplayFormat = 1,1\\1,2\nFilmSizeID = 8INX10IN\n"
    "MediumType = PAPER\\BLUE FILM\nMaxDensity = 320\nMinDensity = 20\nMaxPDU = 32768\n"
    "MagnificationType = REPLICATE\\NONE\nFilmDestination = MAGAZINE\nBorderDensity = BLACK\n"
    "EmptyImageDensity = BLACK\nImplicitOnly = false\nSupports12Bit = true\n"
)


class DcmtkBench(Bench):
    name: ClassVar[str] = "DCMTK"
    lacks: ClassVar[dict[str, str]] = {
        "they ask N-EVENT-REPORT": "no command of DCMTK sends one",
    }

    def __init__(self, ours: Ours, folder: Path) -> None:
        super().__init__(ours, folder)
        self.tool = Dcmtk().tool
        self.storescps = {secure: self._storescp(secure) for secure in (False, True)}
        self.qr = self._dcmqrscp()
        self.printer = self._dcmprscp()
        self.many = cache(self._many)
        self.film = cache(self._film)
        self.printed = cache(self._printed)

    # ---- its servers

    def _storescp(self, secure: bool) -> tuple[int, Path]:
        directory, port = self.folder / f"storescp-{secure}", free_port()
        directory.mkdir()
        command = [self.tool("storescp"), "-aet", "DEST", "-od", str(directory), "+xa", "+B"]
        self.process([*command, *(self._tls() if secure else []), str(port)], port, directory)
        return port, directory

    def _dcmqrscp(self) -> int:
        """It moves to storescp, to the one with TLS through a relay."""
        directory, port = self.folder / "dcmqrscp", free_port()
        directory.mkdir()
        self.destinations = {
            "DEST": self.storescps[False][0],
            "DEST_TLS": self.relay(self.storescps[True][0], connect=self.client),
        }
        hosts = "".join(f"{ae} = ({ae}, {LOOPBACK}, {to})\n" for ae, to in self.destinations.items())
        (directory / "dcmqrscp.cfg").write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            f"HostTable BEGIN\n{hosts}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nQR {directory} RW (500, 1024mb) ANY\nAETable END\n"
        )
        command = [self.tool("dcmqrscp"), "-c", "dcmqrscp.cfg"]
        self.process(command, port, directory, TCP_BUFFER_LENGTH="4096")
        return port

    def _dcmprscp(self) -> int:
        directory, port = self.folder / "dcmprscp", free_port()
        directory.mkdir()
        (directory / "print.cfg").write_text(PRINT_CONFIG.format(ae="PRINTER", port=port, kind="LOCALPRINTER"))
        self.process([self.tool("dcmprscp"), "-c", "print.cfg", "-p", "PRINTER"], port, directory)
        return port

    def _tls(self) -> list[str]:
        ca = self.ours.ca
        return ["+tls", str(ca.client.key), str(ca.client.cert), "+cf", str(ca.ca)]

    def _behind(self, port: int, secure: bool, **options: Any) -> int:
        """A server without TLS, behind what ends it."""
        return self.relay(port, accept=self.server, **options) if secure else port

    # ---- we ask

    def _storing(self, secure: bool) -> pacskit.Peer:
        return self.connect("DEST", self.storescps[secure][0], secure=secure)

    def _querying(self, secure: bool) -> pacskit.Peer:
        return self.connect("QR", self._behind(self.qr, secure), secure=secure)

    def we_ask_c_echo(self, secure: bool) -> None:
        with self._storing(secure) as peer:
            assert peer.echo() == 0

    def we_ask_c_store(self, secure: bool) -> None:
        with self._storing(secure) as peer:
            assert [sent.status for sent in peer.store([CT, MR])] == [0, 0]
        self._took([CT, MR], secure)

    def _took(self, paths: list[Path], secure: bool) -> None:
        directory = self.storescps[secure][1]
        assert {sha256(path) for path in directory.iterdir()} == {sha256(path) for path in paths}
        for path in directory.iterdir():
            path.unlink()

    def we_ask_c_find(self, secure: bool) -> None:
        with self._querying(secure) as peer:
            assert [sent.status for sent in peer.store([CT, MR])] == [0, 0]
            assert [found.StudyInstanceUID for found in peer.find("STUDY", PatientID="1CT1")] == [STUDY]

    def we_ask_c_cancel(self, secure: bool) -> None:
        self.many()
        self.cancels("QR", self.qr, secure=secure, behind=True, hold=True)

    def _many(self) -> None:
        with self.connect("QR", self.qr, secure=False) as peer:
            assert {sent.status for sent in peer.store(map(small, range(MANY)))} == {0}

    def we_ask_c_move(self, secure: bool) -> None:
        with self._querying(secure) as peer:
            assert [sent.status for sent in peer.store(CT)] == [0]
            steps = list(peer.move("STUDY", STUDY, to="DEST_TLS" if secure else "DEST"))
        assert (steps[-1].completed, steps[-1].failed) == (1, 0)
        (moved,) = self.storescps[secure][1].iterdir()
        assert examine(moved).sop_instance_uid == INSTANCE
        moved.unlink()

    def we_ask_c_get(self, secure: bool) -> None:
        with self._querying(secure) as peer:
            assert [sent.status for sent in peer.store(CT)] == [0]
            got = [one.save_into(self.folder / f"got-{secure}") for one in peer.get("STUDY", STUDY)]
        assert [pydicom.dcmread(path).PixelData for path in got] == [pydicom.dcmread(CT).PixelData]

    def _film(self, secure: bool, recorded: bool) -> dict[str, pacskit.Answer]:
        """Print a film at dcmprscp; the answers to each element."""
        answers: dict[str, pacskit.Answer] = {}
        with self.connect("PRINTER", self._behind(self.printer, secure), secure=secure) as peer:
            answers["N-GET"] = peer.n_get(Printer, PrinterInstance, ["PrinterStatus"], via=META)
            session = peer.n_create(BasicFilmSession, Dataset(NumberOfCopies=1), via=META)
            reference = Dataset(
                ReferencedSOPClassUID=BasicFilmSession, ReferencedSOPInstanceUID=session.sop_instance_uid
            )
            wanted = Dataset(ImageDisplayFormat="STANDARD\\1,1", ReferencedFilmSessionSequence=[reference])
            answers["N-CREATE"] = film = peer.n_create(BasicFilmBox, wanted, via=META)
            assert film.dataset is not None
            (box,) = film.dataset.ReferencedImageBoxSequence
            image = Dataset(
                SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", Rows=64, Columns=64, PixelRepresentation=0,
                BitsAllocated=8, BitsStored=8, HighBit=7, PixelAspectRatio=[1, 1], PixelData=bytes(4096),
            )  # fmt: skip
            content = Dataset(ImageBoxPosition=1, BasicGrayscaleImageSequence=[image])
            uid = str(box.ReferencedSOPInstanceUID)
            answers["N-SET"] = peer.n_set(BasicGrayscaleImageBox, uid, content, via=META)
            assert film.sop_instance_uid is not None
            answers["N-ACTION"] = peer.n_action(BasicFilmBox, film.sop_instance_uid, 1, via=META)
            answers["N-DELETE"] = peer.n_delete(BasicFilmBox, film.sop_instance_uid, via=META)
        return answers

    def _answer(self, element: str, secure: bool) -> pacskit.Answer:
        answer = self.film(secure, self.recording is not None)[element]
        assert not answer.status.is_failure
        return answer

    def we_ask_n_get(self, secure: bool) -> None:
        answer = self._answer("N-GET", secure)
        assert answer.dataset is not None
        assert answer.dataset.PrinterStatus == "NORMAL"

    def we_ask_n_create(self, secure: bool) -> None:
        assert self._answer("N-CREATE", secure).sop_instance_uid

    def we_ask_n_set(self, secure: bool) -> None:
        self._answer("N-SET", secure)

    def we_ask_n_action(self, secure: bool) -> None:
        self._answer("N-ACTION", secure)

    def we_ask_n_delete(self, secure: bool) -> None:
        assert self._answer("N-DELETE", secure).status == 0

    def we_ask_n_event_report(self, secure: bool) -> None:
        """To dcmprscu, of the printer, while it prints."""
        assert self.printed(secure, self.recording is not None)[1] == [0]

    # ---- they ask

    def _asks(self, tool: str, ae: str, secure: bool, *arguments: str | Path) -> str:
        """Run a command that knows TLS against ours."""
        where = ["-aec", ae, LOOPBACK, str(self.to_ours(ae, secure=secure))]
        return self._succeeds(tool, *arguments, *(self._tls() if secure else []), *where)

    def _asks_through(self, tool: str, ae: str, secure: bool, *arguments: str | Path) -> str:
        """Run a command that does not, through what begins TLS for it."""
        port = self.to_ours(ae, secure=secure)
        port = self.relay(port, connect=self.client) if secure else port
        return self._succeeds(tool, *arguments, "-aec", ae, LOOPBACK, str(port))

    def _succeeds(self, tool: str, *arguments: str | Path) -> str:
        done = run(self.tool(tool), "-v", *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def they_ask_c_echo(self, secure: bool) -> None:
        assert "Received Echo Response (Success)" in self._asks("echoscu", "OURS", secure)

    def they_ask_c_store(self, secure: bool) -> None:
        # The files come after the address.
        where = [*(self._tls() if secure else []), "-aec", "HANDLERS", LOOPBACK]
        said = self._succeeds("storescu", *where, str(self.to_ours("HANDLERS", secure=secure)), CT)
        assert "Received Store Response (Success)" in said
        assert self.ours.stored == [INSTANCE]

    KEYS = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={STUDY}")

    def they_ask_c_find(self, secure: bool) -> None:
        self.fill()
        said = self._asks("findscu", "OURS", secure, *self.KEYS, "-k", "PatientName")
        assert "CompressedSamples^CT1" in said

    def they_ask_c_cancel(self, secure: bool) -> None:
        keys = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID")
        said = self._asks("findscu", "HANDLERS", secure, "--cancel", "1", *keys)
        assert self.ours.cancelled.wait(60)
        assert "Cancel" in said

    def they_ask_c_move(self, secure: bool) -> None:
        self.fill()
        to = self.node("DEST", self.storescps[secure][0], secure=secure)
        said = self._asks_through("movescu", "OURS", secure, "-aem", to, *self.KEYS)
        assert "Received Final Move Response (Success)" in said
        self._took([CT], secure)

    def they_ask_c_get(self, secure: bool) -> None:
        self.fill()
        got = self.folder / f"getscu-{secure}-{self.recording is None}"
        got.mkdir()
        self._asks_through("getscu", "OURS", secure, *self.KEYS, "-od", got)
        assert [pydicom.dcmread(path).PixelData for path in got.iterdir()] == [pydicom.dcmread(CT).PixelData]

    def _printed(self, secure: bool, recorded: bool) -> tuple[set[tuple[str, str]], list[Any]]:
        """Have dcmprscu print an image here; what it asked of which class, and what it answered to our report."""
        port = self.to_ours("HANDLERS", secure=secure)
        port = self.relay(port, connect=self.client) if secure else port
        directory = self.folder / f"dcmprscu-{secure}-{recorded}"
        directory.mkdir()
        (directory / "print.cfg").write_text(PRINT_CONFIG.format(ae="HANDLERS", port=port, kind="PRINTER"))
        assert run(self.tool("dcmpsprt"), "-c", "print.cfg", "-p", "PRINTER", CT, cwd=directory).returncode == 0
        (job,) = directory.glob("SP_*")
        done = run(self.tool("dcmprscu"), "-v", "-c", "print.cfg", "-p", "PRINTER", job, cwd=directory)
        assert done.returncode == 0, done.stdout
        assert "failed" not in done.stdout
        return set(self.ours.asked), list(self.ours.reported)

    def _was_asked(self, element: str, sop_class: str, secure: bool) -> None:
        assert (element, sop_class) in self.printed(secure, self.recording is not None)[0]

    def they_ask_n_get(self, secure: bool) -> None:
        self._was_asked("N-GET", Printer, secure)

    def they_ask_n_create(self, secure: bool) -> None:
        self._was_asked("N-CREATE", BasicFilmSession, secure)
        self._was_asked("N-CREATE", BasicFilmBox, secure)

    def they_ask_n_set(self, secure: bool) -> None:
        self._was_asked("N-SET", BasicGrayscaleImageBox, secure)

    def they_ask_n_action(self, secure: bool) -> None:
        self._was_asked("N-ACTION", BasicFilmBox, secure)

    def they_ask_n_delete(self, secure: bool) -> None:
        self._was_asked("N-DELETE", BasicFilmSession, secure)


def small(number: int) -> pacskit.Dataset:
    """An instance in a study of its own, which says much about it."""
    return Dataset(
        SOPClassUID=examine(CT).sop_class_uid,
        SOPInstanceUID=f"1.2.3.4.{number}",
        StudyInstanceUID=f"1.2.3.{number}",
        SeriesInstanceUID=f"1.2.3.5.{number}",
        PatientID=f"P{number}",
        PatientName=f"{number}^{'Doe' * 18}",
        StudyID=str(number),
        StudyDescription="x" * 64,
        Modality="CT",
        PixelData=bytes(64),
    )
