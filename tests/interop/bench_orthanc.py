"""The bench with Orthanc as Debian has it (1.10): one that speaks plain DICOM and one that speaks TLS alone."""

from __future__ import annotations

import json
import shutil
import urllib.request
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pydicom
import pytest

import pacskit
from tests.interop.bench import COMMITMENT, CT, INSTANCE, MR, STUDY, WELL_KNOWN, Bench, Ours
from tests.interop.conftest import LOOPBACK, free_port
from tests.interop.files import examine
from tests.network.peers import settle

__all__ = ["OrthancBench"]

Dataset = pacskit.Dataset
MANY = 24  # studies, with so many comments that the answers do not fit into the buffers of a connection
COMMENTS = (  # LT and ST, of which Orthanc keeps 256 characters
    *("AdditionalPatientHistory", "PatientComments", "ImageComments", "StudyComments", "VisitComments"),
    *("RequestedProcedureComments", "DerivationDescription", "AcquisitionComments", "InstitutionAddress"),
    *("FrameComments", "CommentsOnThePerformedProcedureStep", "ImagingServiceRequestComments"),
)


@dataclass
class Orthanc:
    """A process: its DICOM port and its REST."""

    port: int
    web: int

    def ask(self, way: str, path: str, body: Any = None) -> Any:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{LOOPBACK}:{self.web}{path}", data, method=way)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")


class OrthancBench(Bench):
    name: ClassVar[str] = "Orthanc"
    lacks: ClassVar[dict[str, str]] = {
        "they ask C-CANCEL": "Orthanc 1.10 never cancels",
        "they ask C-GET": "Orthanc 1.10 retrieves by C-MOVE alone",
        **{
            f"{who} {element}": "Orthanc has storage commitment alone of what uses DIMSE-N"
            for who in ("we ask", "they ask")
            for element in ("N-GET", "N-SET", "N-CREATE", "N-DELETE")
        },
    }

    def __init__(self, ours: Ours, folder: Path) -> None:
        super().__init__(ours, folder)
        self.many = cache(self._many)
        self.orthanc = cache(self._start)

    def _start(self, secure: bool) -> Orthanc:
        program = shutil.which("Orthanc")
        if program is None:
            pytest.skip("Orthanc is not installed")
        started, directory, ca = Orthanc(free_port(), free_port()), self.folder / f"orthanc-{secure}", self.ours.ca
        directory.mkdir()
        settings = {
            "StorageDirectory": str(directory),
            "IndexDirectory": str(directory),
            "DicomAet": "ORTHANC",
            "DicomPort": started.port,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomTlsEnabled": secure,
            "DicomTlsCertificate": str(ca.client.cert),
            "DicomTlsPrivateKey": str(ca.client.key),
            "DicomTlsTrustedCertificates": str(ca.ca),
            "HttpPort": started.web,
            "AuthenticationEnabled": False,
            "RemoteAccessAllowed": False,
            "DicomModalitiesInDatabase": True,
            "Plugins": [],
        }
        (directory / "orthanc.json").write_text(json.dumps(settings))
        self.process([program, "orthanc.json"], started.web, directory, TCP_BUFFER_LENGTH="4096")
        return started

    def knows(self, ae: str, secure: bool) -> Orthanc:
        """The Orthanc to use, which knows where one of ours is."""
        orthanc = self.orthanc(secure)
        ours = {"AET": ae, "Host": LOOPBACK, "Port": self.to_ours(ae, secure=secure), "UseDicomTls": secure}
        orthanc.ask("PUT", f"/modalities/{ae}", ours)
        return orthanc

    def holds(self, secure: bool) -> Orthanc:
        """The Orthanc to use, which has two instances."""
        orthanc = self.knows("HANDLERS", secure)
        for path in (CT, MR):
            orthanc.ask("POST", "/instances", path.read_bytes())
        return orthanc

    # ---- we ask

    def peer(self, secure: bool, *, port: int | None = None, calling: str = "HANDLERS") -> pacskit.Peer:
        return self.connect("ORTHANC", port or self.orthanc(secure).port, secure=secure, calling=calling)

    def we_ask_c_echo(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            assert peer.echo() == 0

    def we_ask_c_store(self, secure: bool) -> None:
        orthanc = self.orthanc(secure)
        with self.peer(secure) as peer:
            assert [sent.status for sent in peer.store([CT, MR])] == [0, 0]
        found = orthanc.ask("POST", "/tools/lookup", INSTANCE.encode())
        assert [one["Type"] for one in found] == ["Instance"]

    def we_ask_c_find(self, secure: bool) -> None:
        self.holds(secure)
        with self.peer(secure) as peer:
            assert [found.StudyInstanceUID for found in peer.find("STUDY", PatientID="1CT1")] == [STUDY]

    def we_ask_c_cancel(self, secure: bool) -> None:
        self.many(secure)
        self.cancels(
            "ORTHANC", self.orthanc(secure).port, secure=secure, hold=True, keys=["StudyInstanceUID", *COMMENTS]
        )

    def _many(self, secure: bool) -> None:
        with self.peer(secure) as peer:
            assert {sent.status for sent in peer.store(map(long, range(MANY)))} == {0}

    def we_ask_c_move(self, secure: bool) -> None:
        self.holds(secure)
        with self.peer(secure) as peer:
            steps = list(peer.move("STUDY", STUDY, to="HANDLERS"))
        assert (steps[-1].completed, steps[-1].failed) == (1, 0)
        assert self.ours.stored == [INSTANCE]

    def we_ask_c_get(self, secure: bool) -> None:
        self.holds(secure)
        with self.peer(secure) as peer:
            got = [one.save_into(self.folder / f"got-{secure}") for one in peer.get("STUDY", STUDY)]
        assert [pydicom.dcmread(path).PixelData for path in got] == [pydicom.dcmread(CT).PixelData]

    def _commit(self, secure: bool) -> None:
        """Ask it to commit what it has; it reports on an association of its own."""
        self.holds(secure)
        one = Dataset(ReferencedSOPClassUID=examine(CT).sop_class_uid, ReferencedSOPInstanceUID=INSTANCE)
        with self.peer(secure) as peer:
            wanted = Dataset(TransactionUID="1.2.9", ReferencedSOPSequence=[one])
            assert peer.n_action(COMMITMENT, WELL_KNOWN, 1, wanted).status == 0
        assert settle(lambda: ("N-EVENT-REPORT", COMMITMENT) in self.ours.asked, 60)

    we_ask_n_action = _commit

    def we_ask_n_event_report(self, secure: bool) -> None:
        """It asks for a commitment (see below), and we report."""
        job = self._asks_for_commitment(secure)
        orthanc = self.orthanc(secure)
        assert orthanc.ask("GET", f"/storage-commitment/{job}")["Status"] == "Pending"
        one = Dataset(ReferencedSOPClassUID=examine(CT).sop_class_uid, ReferencedSOPInstanceUID=INSTANCE)
        with self.peer(secure) as peer:
            committed = Dataset(TransactionUID=job, ReferencedSOPSequence=[one])
            assert peer.n_event_report(COMMITMENT, WELL_KNOWN, 1, committed).status == 0
        assert orthanc.ask("GET", f"/storage-commitment/{job}")["Status"] == "Success"

    # ---- it asks

    def they_ask_c_echo(self, secure: bool) -> None:
        assert self.knows("OURS", secure).ask("POST", "/modalities/OURS/echo", {}) == {}

    def they_ask_c_store(self, secure: bool) -> None:
        orthanc = self.holds(secure)
        (found,) = orthanc.ask("POST", "/tools/lookup", INSTANCE.encode())
        stored = orthanc.ask("POST", "/modalities/HANDLERS/store", [found["ID"]])
        assert (stored["InstancesCount"], stored["FailedInstancesCount"]) == (1, 0)
        assert self.ours.stored == [INSTANCE]

    def _queries(self, secure: bool) -> tuple[Orthanc, str]:
        self.fill()
        orthanc = self.knows("OURS", secure)
        query = orthanc.ask("POST", "/modalities/OURS/query", {"Level": "Study", "Query": {"PatientID": "1CT1"}})
        return orthanc, f"/queries/{query['ID']}/answers"

    def they_ask_c_find(self, secure: bool) -> None:
        orthanc, answers = self._queries(secure)
        assert orthanc.ask("GET", answers) == ["0"]
        assert orthanc.ask("GET", f"{answers}/0/content")["0020,000d"]["Value"] == STUDY

    def they_ask_c_move(self, secure: bool) -> None:
        orthanc, answers = self._queries(secure)
        for found in orthanc.ask("POST", "/tools/lookup", INSTANCE.encode()):
            orthanc.ask("DELETE", f"/instances/{found['ID']}")
        self.ours.archive.nodes.add(self._node(orthanc, secure))
        orthanc.ask("POST", f"{answers}/0/retrieve", {"TargetAet": "ORTHANC", "Synchronous": True})
        assert len(orthanc.ask("POST", "/tools/lookup", INSTANCE.encode())) == 1

    def _node(self, orthanc: Orthanc, secure: bool) -> str:
        return f"{'tls:' if secure else ''}ORTHANC@{LOOPBACK}:{self.way(orthanc.port, secure=secure)}"

    def _asks_for_commitment(self, secure: bool) -> str:
        orthanc = self.knows("HANDLERS", secure)
        wanted = {"DicomInstances": [[examine(CT).sop_class_uid, INSTANCE]]}
        return str(orthanc.ask("POST", "/modalities/HANDLERS/storage-commitment", wanted)["ID"])

    def they_ask_n_action(self, secure: bool) -> None:
        self._asks_for_commitment(secure)
        assert ("N-ACTION", COMMITMENT) in self.ours.asked

    they_ask_n_event_report = _commit


def long(number: int) -> pacskit.Dataset:
    """An instance in a study of its own, which says very much about it."""
    return Dataset(
        SOPClassUID=examine(CT).sop_class_uid,
        SOPInstanceUID=f"1.2.3.4.{number}",
        StudyInstanceUID=f"1.2.3.{number}",
        SeriesInstanceUID=f"1.2.3.5.{number}",
        PatientID=f"P{number}",
        StudyDescription="x",
        **dict.fromkeys(COMMENTS, "x" * 250),
        Modality="CT",
        PixelData=bytes(64),
    )
