"""What was transcoded is read by DCMTK, GDCM and dciodvfy; peers that lack a syntax get what they can take."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import gdcm
import numpy as np
import pydicom
import pytest

from pacskit import NoPresentationContext, Status, TranscodeError, connect, dcmread, transcode_file
from pacskit.encoding.codecs import EncodeOptions
from pacskit.encoding.transcoding import SYNTAX_NAMES
from pacskit.network.negotiation import AssociationInfo, PresentationContext
from pacskit.network.pdu import UserInformation
from pacskit.services.outgoing import Action, Transcode, choose, decide
from pacskit.services.sop_classes import MODELS
from tests.conftest import Dcmtk
from tests.interop.conftest import LOOPBACK, Background, Serve, Served, run
from tests.interop.conftest import pacskit as command
from tests.interop.files import examine, wheel_file
from tests.interop.test_pynetdicom import associated, identifier

pytestmark = pytest.mark.interop

STUDY = MODELS[0]
CT, COLOUR, FRAMES = "CT_small.dcm", "examples_rgb_color.dcm", "SC_rgb_rle_2frame.dcm"
J2K, EXPLICIT, IMPLICIT = "MR_small_jp2klossless.dcm", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
J2K_SYNTAX, JPEG = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50"
BY_DCMTK = {
    "rle": "dcmdrle", "jpeg": "dcmdjpeg", "jpeg-lossless": "dcmdjpeg", "jpeg-lossless-14": "dcmdjpeg",
    "jpeg-ls": "dcmdjpls", "jpeg-ls-near": "dcmdjpls",
}  # fmt: skip
PLAIN = ("explicit", "implicit", "big-endian")
BY_GDCM = ("rle", "jpeg", "jpeg-lossless", "jpeg-lossless-14", "jpeg-ls", "jpeg-ls-near", "j2k", "j2k-lossy")


def findings(path: Path) -> list[str]:
    """What dciodvfy complains of: errors, without the place of the element in the file."""
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy is not installed")
    done = subprocess.run([tool, path], capture_output=True, text=True, errors="replace", check=False)
    return sorted(line for line in done.stderr.splitlines() if line.startswith("Error"))


@pytest.mark.parametrize("file", [CT, COLOUR, FRAMES])
@pytest.mark.parametrize("name", SYNTAX_NAMES)
def test_files_are_read_by_others(name: str, file: str, dcmtk: Dcmtk, tmp_path: Path) -> None:
    source, target = wheel_file(file), tmp_path / "made.dcm"
    colour = dcmread(source).SamplesPerPixel == 3
    if (name in {"jpeg", "jpeg-extended", "jxl-lossy"} and not colour) or name == "jxl-jpeg":
        with pytest.raises(TranscodeError):  # signed samples; no JPEG to recompress
            transcode_file(source, target, SYNTAX_NAMES[name])
        return
    result = transcode_file(source, target, SYNTAX_NAMES[name], EncodeOptions())
    ours = dcmread(target).pixel_array
    dump = run(dcmtk.tool("dcmdump"), "-q", target)
    if "jxl" not in name and not name.startswith(("htj2k", "deflated-frame")):  # of which DCMTK 3.6.7 knows nothing
        assert dump.returncode == 0, dump.stdout
        assert not re.search(r"^[EF]:", dump.stdout, re.MULTILINE), dump.stdout
    if name in (*PLAIN, *BY_GDCM, "jpeg-extended"):  # dciodvfy knows no others
        assert set(findings(target)) <= set(findings(source))
    if not result.lossy:
        assert np.array_equal(ours, dcmread(source).pixel_array)
    if name in BY_DCMTK:
        options = ["+cn"] if BY_DCMTK[name] == "dcmdjpeg" else []  # never converts colours
        done = run(dcmtk.tool(BY_DCMTK[name]), *options, target, tmp_path / "native.dcm")
        assert done.returncode == 0, done.stdout
        close(dcmread(tmp_path / "native.dcm").pixel_array, ours, name)
    if name in BY_GDCM:
        reader = gdcm.ImageReader()
        reader.SetFileName(str(target))
        assert reader.Read()
        data = np.frombuffer(reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape"), ours.dtype)
        theirs = data.reshape((-1, 3, *ours.shape[-3:-1]) if planes(name, colour, reader) else ours.shape)
        theirs = theirs.transpose(0, 2, 3, 1).reshape(ours.shape) if theirs.shape != ours.shape else theirs
        close(theirs, ours, name)


def planes(name: str, colour: bool, reader: Any) -> bool:
    return colour and reader.GetImage().GetPlanarConfiguration() == 1


def close(theirs: Any, ours: Any, name: str) -> None:
    """Equal; of subsampled JPEG and of irreversible wavelets decoders may round differently."""
    tolerance = {"jpeg": 4, "j2k-lossy": 1}.get(name, 0)
    assert np.abs(theirs.astype(int) - ours.astype(int)).max() <= tolerance


# -- the archive (PS3.4 C.4.2 and C.4.3) -------------------------------------------------------------------------------


def get(archive: Served, path: Path, syntax: str) -> tuple[Any, list[pydicom.Dataset]]:
    """A C-GET by pynetdicom, which offers one transfer syntax: the final response and what came."""
    from pynetdicom import AE, evt
    from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation

    about = examine(path)
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = about.sop_class_uid, False, True
    received: list[pydicom.Dataset] = []

    def keep(event: Any) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        received.append(dataset)
        return 0

    entity = AE("PYNET")
    entity.add_requested_context(str(STUDY.get))
    entity.add_requested_context(about.sop_class_uid, syntax)
    options: dict[str, Any] = {"ext_neg": [role], "evt_handlers": [(evt.EVT_C_STORE, keep)]}
    association = entity.associate(LOOPBACK, archive.port, ae_title=archive.ae, **options)
    assert association.is_established
    responses = list(association.send_c_get(identifier("STUDY", StudyInstanceUID=about.study_uid), STUDY.get))
    association.release()
    return responses[-1][0], received


def test_get_of_jpeg_2000_by_a_peer_that_knows_explicit_only(pynetdicom: ModuleType, archive: Served) -> None:
    source = wheel_file(J2K)
    assert command("store", archive.address, source).returncode == 0
    final, received = get(archive, source, EXPLICIT)
    assert (final.Status, final.NumberOfCompletedSuboperations) == (0, 1)
    (came,) = received
    assert came.file_meta.TransferSyntaxUID == EXPLICIT
    assert np.array_equal(came.pixel_array, pydicom.dcmread(source).pixel_array)
    before = pydicom.dcmread(source)
    assert came.SOPInstanceUID == before.SOPInstanceUID
    differs = {element.keyword for element in before if came.get(element.tag) != element}
    assert differs == {"PixelData"}


def test_never_fails_with_the_status_of_the_standard_and_says_why(pynetdicom: ModuleType, serve: Serve) -> None:
    """All sub-operations failed: 0xA702, unable to perform sub-operations (PS3.4 table C.4-3)."""
    archive, source = serve("--transcode", "never"), wheel_file(J2K)
    assert command("store", archive.address, source).returncode == 0
    final, received = get(archive, source, EXPLICIT)
    assert (final.Status, final.NumberOfFailedSuboperations, received) == (0xA702, 1, [])
    assert final.ErrorComment == "JPEG 2000 Image Compression not accepted; transcode=never"
    final, received = get(archive, source, J2K_SYNTAX)
    assert (final.Status, len(received)) == (0, 1)


def test_getscu_is_told_why_too(dcmtk: Dcmtk, serve: Serve, tmp_path: Path) -> None:
    archive, source = serve("--transcode", "never"), wheel_file(J2K)
    assert command("store", archive.address, source).returncode == 0
    study = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={examine(source).study_uid}"]
    done = run(dcmtk.tool("getscu"), "-d", "-S", "-od", tmp_path, *study, *archive.dcmtk)
    assert re.search(r"DIMSE Status\s+: 0xa702: Refused: Out of resources - Unable to perform sub", done.stdout)
    assert "transcode=never" in done.stdout
    shown = command("get", archive.address, examine(source).study_uid, "--into", tmp_path, "--explain")
    assert shown.returncode == 0  # J2K is offered by ours, so it comes as it is
    assert "1 came in JPEG 2000 Image Compression (Lossless Only)" in shown.stderr


@pytest.mark.parametrize("policy", ["lossless", "any"])
def test_with_loss_only_where_it_is_allowed(policy: str, pynetdicom: ModuleType, serve: Serve) -> None:
    archive, source = serve("--transcode", policy), wheel_file(COLOUR)
    assert command("store", archive.address, source).returncode == 0
    outcomes = [get(archive, source, JPEG) for _ in range(2)]
    if policy == "lossless":
        assert [final.Status for final, _ in outcomes] == [0xA702, 0xA702]
        return
    assert [final.Status for final, _ in outcomes] == [0, 0]
    first, second = (received[0] for _, received in outcomes)
    before = pydicom.dcmread(source)
    assert first.LossyImageCompression == "01"
    assert first.SOPInstanceUID == second.SOPInstanceUID != before.SOPInstanceUID  # the same one each time
    assert first.SourceImageSequence[-1].ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID


def test_dcmtk_gets_and_moves_uncompressed(
    dcmtk: Dcmtk, serve: Serve, storescp: Callable[..., Background], tmp_path: Path
) -> None:
    source = wheel_file(J2K)
    destination = storescp("+xi")
    archive = serve("--node", f"DEST@{LOOPBACK}:{destination.port}")
    assert command("store", archive.address, source, wheel_file(CT)).returncode == 0
    study = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={examine(source).study_uid}"]
    (tmp_path / "got").mkdir()
    done = run(dcmtk.tool("getscu"), "-v", "-S", "+B", "-od", tmp_path / "got", *study, *archive.dcmtk)
    assert done.returncode == 0, done.stdout
    done = run(dcmtk.tool("movescu"), "-v", "-S", "-aem", "DEST", *study, *archive.dcmtk)
    assert done.returncode == 0, done.stdout
    for folder, syntaxes in ((tmp_path / "got", {EXPLICIT, IMPLICIT}), (destination.directory, {IMPLICIT})):
        (came,) = folder.iterdir()
        assert pydicom.dcmread(came).file_meta.TransferSyntaxUID in syntaxes
        assert np.array_equal(pydicom.dcmread(came).pixel_array, pydicom.dcmread(source).pixel_array)


def test_one_that_cannot_be_converted_does_not_end_the_others(
    pynetdicom: ModuleType, dcmtk: Dcmtk, serve: Serve, storescp: Callable[..., Background], tmp_path: Path
) -> None:
    """A damaged code stream among good ones: the counts are right, and it is listed."""
    destination = storescp("+xi")
    archive = serve("--node", f"DEST@{LOOPBACK}:{destination.port}")
    ds = pydicom.dcmread(wheel_file(J2K))
    whole = ds.PixelData
    for number in range(3):
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(f"1.2.3.{number}")
        stream = b"".join(pydicom.encaps.generate_frames(whole, number_of_frames=1))
        ds.PixelData = pydicom.encaps.encapsulate([stream[:600] if number == 1 else stream])
        ds.save_as(tmp_path / f"{number}.dcm")
    assert command("store", archive.address, *sorted(tmp_path.glob("?.dcm"))).returncode == 0
    query = identifier("STUDY", StudyInstanceUID=str(ds.StudyInstanceUID))
    with associated(archive, STUDY.move) as association:
        responses = list(association.send_c_move(query, "DEST", STUDY.move))
    status, failed = responses[-1]
    counts = status.NumberOfCompletedSuboperations, status.NumberOfFailedSuboperations
    assert (status.Status, counts, failed.FailedSOPInstanceUIDList) == (0xB000, (2, 1), "1.2.3.1")
    assert len(list(destination.directory.iterdir())) == 2


def test_store_to_a_peer_that_takes_uncompressed_only(storescp: Callable[..., Background], tmp_path: Path) -> None:
    server = storescp("+xi")
    source = wheel_file(J2K)
    with connect(f"DEST@{LOOPBACK}:{server.port}") as peer:
        assert [sent.status for sent in peer.store([source, dcmread(source)])] == [0, 0]
        (refused,) = peer.store(source, transcode="never")
        assert refused.status == Status.CLASS_NOT_SUPPORTED
    assert isinstance(refused.error, NoPresentationContext)
    (came,) = server.directory.iterdir()
    assert np.array_equal(pydicom.dcmread(came).pixel_array, pydicom.dcmread(source).pixel_array)
    lossy = wheel_file(COLOUR)
    jpeg = storescp("+xy")  # JPEG Baseline, besides the uncompressed ones, which are better
    with connect(f"DEST@{LOOPBACK}:{jpeg.port}") as peer:
        assert [sent.status for sent in peer.store(lossy, transcode="any")] == [0]
    (came,) = jpeg.directory.iterdir()
    assert pydicom.dcmread(came).SOPInstanceUID == pydicom.dcmread(lossy).SOPInstanceUID


# -- decisions ---------------------------------------------------------------------------------------------------------


def info(*accepted: str) -> AssociationInfo:
    contexts = tuple(
        PresentationContext(2 * number + 1, "1.2", syntax, 0, True, False, (syntax,))
        for number, syntax in enumerate(accepted)
    )
    return AssociationInfo("A", "B", ("127.0.0.1", 104), True, contexts, 16384, UserInformation())


@pytest.mark.parametrize(
    ("accepted", "source", "policy", "action", "target"),
    [
        ((J2K_SYNTAX, IMPLICIT), J2K_SYNTAX, "any", Action.AS_IT_IS, J2K_SYNTAX),
        ((IMPLICIT, EXPLICIT), J2K_SYNTAX, "lossless", Action.TRANSCODE, EXPLICIT),
        ((IMPLICIT,), EXPLICIT, "never", Action.CONVERT, IMPLICIT),
        ((JPEG, "1.2.840.10008.1.2.4.80"), EXPLICIT, "any", Action.TRANSCODE, "1.2.840.10008.1.2.4.80"),
        ((JPEG,), EXPLICIT, "any", Action.TRANSCODE, JPEG),
        ((JPEG,), EXPLICIT, "lossless", Action.REFUSE, None),
        ((IMPLICIT,), JPEG, "lossless", Action.TRANSCODE, IMPLICIT),
        ((IMPLICIT,), J2K_SYNTAX, "never", Action.REFUSE, None),
        ((IMPLICIT,), "1.2.840.10008.1.2.4.100", "any", Action.REFUSE, None),
        ((), EXPLICIT, "any", Action.REFUSE, None),
    ],
)
def test_decisions(accepted: tuple[str, ...], source: str, policy: str, action: Action, target: str | None) -> None:
    decision = decide(info(*accepted), "1.2", source, Transcode(policy))
    assert (decision.action, decision.target) == (action, target)
    assert str(decision).startswith("1.2 in ")
    assert decision.accepted == accepted
    if target is None:
        with pytest.raises(NoPresentationContext):
            choose(info(*accepted), "1.2", source, Transcode(policy))
    if policy == "never" and action is Action.REFUSE:
        assert "never to transcode" in str(decision)
