"""The services over real sockets, with our own code on both sides: what needs exact timing or a hostile hand."""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pacskit
from pacskit.core.dataset import Dataset
from pacskit.encoding import encode
from pacskit.network.dimse import CFindRequest, CGetRequest, CMoveRequest, CStoreRequest, ResponseMessage
from pacskit.network.negotiation import Role
from pacskit.services.sop_classes import MODELS, is_unknown
from pacskit.services.storage import ReceivingService
from tests.network.drivers import Driver
from tests.network.peers import settle

CT = "1.2.840.10008.5.1.4.1.1.2"
PRIVATE = "1.3.12.2.1107.5.9.1"
EXPLICIT = "1.2.840.10008.1.2.1"
MODEL = MODELS[0]
COUNT = 12


def instance(number: int = 1, *, sop_class: str = CT, size: int = 64, study: str = "1.2.3") -> Dataset:
    return Dataset(
        SOPClassUID=sop_class,
        SOPInstanceUID=f"{study}.4.{number}",
        StudyInstanceUID=study,
        SeriesInstanceUID=f"{study}.4",
        PatientID="P1",
        PatientName="Doe^John",
        Modality="CT",
        InstanceNumber=number,
        PixelData=bytes(size),
    )


@pytest.fixture(autouse=True)
def archives_use_the_driver(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacskit.facade.archive.Server", driver.server)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[pacskit.Archive]:
    with pacskit.Archive(tmp_path / "archive", ae="ARCHIVE") as made:
        made.serve(port=0)
        for number in range(1, COUNT + 1):
            made.store(instance(number))
        yield made


def study_identifier() -> bytes:
    return encode(Dataset(QueryRetrieveLevel="STUDY", StudyInstanceUID="1.2.3"), EXPLICIT)


@pytest.fixture
def associate(driver: Driver) -> Callable[..., Any]:
    def request(archive: pacskit.Archive, *contexts: str, **options: Any) -> Any:
        return driver.request(archive.address, [(uid, [EXPLICIT]) for uid in contexts], calling="TEST", **options)

    return request


@pytest.mark.parametrize("window", [1, 4])
def test_get_is_cancelled_between_two_instances(
    archive: pacskit.Archive, associate: Callable[..., Any], window: int
) -> None:
    service = ReceivingService(lambda request, association: 0)
    roles, limits = {CT: Role(scu=False, scp=True)}, pacskit.Limits(max_async_ops=window)
    with associate(archive, MODEL.get, CT, roles=roles, limits=limits) as association:
        request = CGetRequest(affected_sop_class_uid=MODEL.get)
        final: Any = None
        seen = 0
        for message in association.exchange(request, study_identifier(), service=service):
            if isinstance(message, CStoreRequest):
                seen += 1
                if seen == 3:  # before this one is answered
                    assert request.context is not None
                    association.cancel(request.message_id, request.context)
            else:
                final = message
        assert final.status == 0xFE00
        assert 3 <= seen <= 2 + window  # those that were under way come to their end
        assert final.number_of_completed_suboperations == seen
        assert final.number_of_remaining_suboperations == COUNT - seen
        assert association.is_open


@pytest.mark.parametrize("window", [1, 8])
def test_move_is_cancelled_between_two_instances(
    archive: pacskit.Archive, associate: Callable[..., Any], driver: Driver, window: int
) -> None:
    go_on = threading.Event()
    received: list[str] = []
    scp = driver.scp("DEST", limits=pacskit.Limits(max_async_ops=window))

    @scp.on_store
    def keep(event: pacskit.StoreEvent) -> None:
        received.append(event.sop_instance_uid)
        if len(received) == 2:
            assert go_on.wait(20)

    with scp, associate(archive, MODEL.move) as association:
        archive.nodes.add(scp.address)
        request = CMoveRequest(affected_sop_class_uid=MODEL.move, move_destination="DEST")
        final: Any = None
        for message in association.exchange(request, study_identifier()):
            final = message
            if not go_on.is_set():
                assert request.context is not None
                association.cancel(request.message_id, request.context)
                go_on.set()
        assert final.status == 0xFE00
        # The cancel may come before the second one is begun; it cannot come after the second answer.
        assert final.number_of_completed_suboperations == len(received) <= 1 + window
        assert final.number_of_remaining_suboperations == COUNT - len(received)


@pytest.mark.parametrize("window", [1, 8])
def test_a_destination_that_goes_away_fails_the_rest(archive: pacskit.Archive, driver: Driver, window: int) -> None:
    scp = driver.scp("DEST", limits=pacskit.Limits(max_async_ops=window))
    received: list[str] = []

    @scp.on_store
    def keep(event: pacskit.StoreEvent) -> None:
        received.append(event.sop_instance_uid)
        if len(received) == 3:
            threading.Thread(target=scp.stop, args=(0.0,)).start()
            threading.Event().wait(0.5)

    with scp, driver.peer(archive.address) as peer:
        archive.nodes.add(scp.address)
        steps = []
        with contextlib.suppress(pacskit.DimseError):
            for step in peer.move("STUDY", "1.2.3", to="DEST"):
                steps.append(step)
    assert steps[-1].status == (0xB000 if steps[-1].completed else 0xA702)
    assert steps[-1].completed + steps[-1].failed == COUNT
    # Of those sent together, the answers that had not been read yet are lost with the connection.
    assert (2 if window == 1 else 0) <= steps[-1].completed <= 3
    assert len(steps[-1].failed_uids) == steps[-1].failed


def test_find_is_cancelled_by_leaving_it(archive: pacskit.Archive, driver: Driver) -> None:
    events: list[pacskit.FindEvent] = []
    scp = driver.scp("FINDER")

    @scp.on_find("STUDY")
    def endless(event: pacskit.FindEvent) -> Iterator[Dataset]:
        events.append(event)
        number = 0
        while not event.cancelled:
            number += 1
            yield Dataset(StudyInstanceUID=f"1.2.{number}")

    with scp, driver.peer(scp.address) as peer:
        answers = peer.find("STUDY")
        assert next(answers).QueryRetrieveLevel == "STUDY"
        answers.close()
        assert events[0].cancelled
        assert next(peer.find("STUDY")).StudyInstanceUID == "1.2.1"


def test_a_query_of_the_archive_is_cancelled(archive: pacskit.Archive, associate: Callable[..., Any]) -> None:
    """The C-CANCEL goes out in one piece with the request, so it has arrived when the first answer has gone."""
    identifier = Dataset(
        QueryRetrieveLevel="IMAGE", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4", SOPInstanceUID=None
    )
    with associate(archive, MODEL.find) as association:
        request = CFindRequest(affected_sop_class_uid=MODEL.find, message_id=9)
        context = association.info.context_for(MODEL.find)
        statuses: list[int] = []
        messages = association.exchange(request, encode(identifier, EXPLICIT), context=context)
        for message in messages:
            assert isinstance(message, ResponseMessage)
            statuses.append(message.status)
            if len(statuses) == 1:
                association.cancel(9, context)
    assert statuses[-1] in {0xFE00, 0}  # it may come after the last answer
    assert set(statuses[:-1]) == {0xFF00}


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_a_handler_gets_the_bytes_as_they_came(size: int, tmp_path: Path, driver: Driver) -> None:
    scp = driver.scp("KEEPER")
    kept: list[tuple[Path, Dataset]] = []

    @scp.on_store
    def keep(event: pacskit.StoreEvent) -> pacskit.Status:
        path = event.save_into(tmp_path / "in")
        kept.append((path, event.dataset.copy()))
        return pacskit.Status.COERCED

    sent = instance(size=size)
    with scp, driver.peer(scp.address, calling="ME") as peer:
        (outcome,) = peer.store(sent)
    assert outcome.status == 0xB000
    path, dataset = kept[0]
    assert path == tmp_path / "in" / f"{sent.SOPInstanceUID}.dcm"
    assert path.read_bytes().endswith(encode(sent, EXPLICIT))
    assert pacskit.dcmread(path).file_meta.SourceApplicationEntityTitle == "ME"
    assert len(dataset.PixelData) == size


def test_a_handler_that_fails_is_a_status_and_the_association_goes_on(archive: pacskit.Archive, driver: Driver) -> None:
    scp = driver.scp("BROKEN")

    @scp.on_store
    def fail(event: pacskit.StoreEvent) -> None:
        if event.dataset.InstanceNumber == 1:
            raise RuntimeError("broken")
        raise pacskit.DimseError(0xC123, "not that one")

    @scp.on_echo
    def echo(event: pacskit.EchoEvent) -> int:
        return 0x0122

    with scp, driver.peer(scp.address) as peer:
        assert [sent.status for sent in peer.store([instance(1), instance(2)])] == [0x0110, 0xC123]
        with pytest.raises(pacskit.DimseError) as refused:
            peer.echo()
        assert refused.value.status == 0x0122
        with pytest.raises(pacskit.NoPresentationContext):
            list(peer.find("STUDY"))


@pytest.mark.parametrize("accept", [False, True])
def test_private_storage_classes_are_an_option(accept: bool, tmp_path: Path, driver: Driver) -> None:
    assert is_unknown(PRIVATE)
    settings = pacskit.ArchiveSettings(accept_unknown=accept)
    with pacskit.Archive(tmp_path, settings=settings) as archive:
        archive.serve(port=0)
        with driver.peer(archive.address) as peer:
            (outcome,) = peer.store(instance(sop_class=PRIVATE))
            assert outcome.status.is_success == accept
            got = [one.dataset.SOPClassUID for one in peer.get("STUDY", "1.2.3")]
        assert got == ([PRIVATE] if accept else [])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda ds: ds.__delitem__("StudyInstanceUID"),
        lambda ds: setattr(ds, "SOPInstanceUID", "1.2.3.4.999"),
        lambda ds: setattr(ds, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.4"),
    ],
)
def test_a_data_set_that_does_not_fit_is_refused(
    archive: pacskit.Archive, spoil: Callable[[Dataset], None], associate: Callable[..., Any]
) -> None:
    ds = instance(100)
    uid = str(ds.SOPInstanceUID)
    spoil(ds)
    with associate(archive, CT) as association:
        request = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid=uid)
        response = association.perform(request, encode(ds, EXPLICIT))
        assert response.status == 0xA900
        garbage = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid="1.9")
        assert association.perform(garbage, b"\x08\x00\x18\x00UI\xff\xff12").status == 0xC000
    assert archive.counts().instances == COUNT


def test_a_peer_that_has_hung_up_is_called_again(driver: Driver) -> None:
    scp = driver.scp("SHORT", timeouts=pacskit.Timeouts(idle=0.2, release=0.2))
    with scp, driver.peer(scp.address) as peer:
        assert peer.echo().is_success
        assert settle(lambda: scp._server is not None and scp._server.associations == 0)
        assert peer.echo().is_success


def test_verbs_nest(archive: pacskit.Archive, tmp_path: Path, driver: Driver) -> None:
    with driver.peer(archive.address) as peer:
        got = [
            one.save_into(tmp_path / "got")
            for study in peer.find("STUDY")
            for one in peer.get("STUDY", study.StudyInstanceUID)
        ]
        assert peer.echo().is_success
    assert len(got) == COUNT


def test_leaving_a_get_early_cancels_it(archive: pacskit.Archive, tmp_path: Path, driver: Driver) -> None:
    progress: list[pacskit.Progress] = []
    with driver.peer(archive.address) as peer:
        for instance in peer.get("STUDY", "1.2.3", on_progress=progress.append):
            assert instance.dataset.InstanceNumber == 1
            break
        assert len(list(peer.get("STUDY", "1.2.3"))) == COUNT
        explanation = peer.explain()
    assert progress == []
    assert explanation is not None
    assert "CT Image Storage: Explicit VR Little Endian" in str(explanation)


def test_deletion_meanwhile_fails_that_instance_alone(archive: pacskit.Archive, driver: Driver) -> None:
    with driver.peer(archive.address) as peer:
        steps: list[pacskit.Progress] = []
        instances = peer.get("STUDY", "1.2.3", on_progress=steps.append)
        next(instances)
        archive._store.delete("IMAGE", instance_uid=f"1.2.3.4.{COUNT}")
        rest = [one.sop_instance_uid for one in instances]
    assert len(rest) == COUNT - 2
    assert steps[-1].failed_uids == (f"1.2.3.4.{COUNT}",)


@pytest.fixture
def small_disk() -> Iterator[Callable[[], None]]:
    """Call it, and files end at 2 MB from then on: a write beyond fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_fills_up_under_a_big_object_is_a_status(
    archive: pacskit.Archive, small_disk: Callable[[], None], tmp_path: Path, associate: Callable[..., Any]
) -> None:
    small_disk()
    with associate(archive, CT) as association:
        for number, size, status in ((101, 5_000_000, 0xA700), (102, 1_000_000, 0), (103, 3_000_000, 0xA700)):
            made = instance(number, size=size)
            request = CStoreRequest(
                affected_sop_class_uid=CT,
                affected_sop_instance_uid=made.SOPInstanceUID,
                data=encode(made, EXPLICIT),
            )
            assert association.perform(request).status == status
    assert archive.counts().instances == COUNT + 1
    assert list((tmp_path / "archive").glob("staging/*/*~*")) == []


@pytest.mark.parametrize("max_pdu", [4096, 16384, 131072])
def test_a_big_object_arrives_as_it_was_sent(max_pdu: int, tmp_path: Path, associate: Callable[..., Any]) -> None:
    made = instance(200)
    made.PixelData = random.Random(3).randbytes(1_000_000)
    data = encode(made, EXPLICIT)
    with pacskit.Archive(
        tmp_path, settings=pacskit.ArchiveSettings(ae="ARCHIVE", limits=pacskit.Limits(max_pdu=max_pdu))
    ) as archive:
        archive.serve(port=0)
        with associate(archive, CT) as association:
            request = CStoreRequest(affected_sop_class_uid=CT, affected_sop_instance_uid=made.SOPInstanceUID, data=data)
            assert association.perform(request).status == 0
    (path,) = tmp_path.glob(f"objects/**/{made.SOPInstanceUID}.dcm")
    assert path.read_bytes().endswith(data)
