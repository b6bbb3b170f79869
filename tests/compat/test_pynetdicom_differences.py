"""Each difference from pynetdicom that the page "Come from pynetdicom" lists, and what happens by itself."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pynetdicom as theirs
import pytest

import pacskit.compat.pynetdicom as ours
from pacskit.compat.pydicom import Dataset
from pacskit.compat.pynetdicom import evt, negotiating, pdu_primitives
from pacskit.compat.pynetdicom.ae import ApplicationEntity
from pacskit.compat.pynetdicom.association import Association
from pacskit.core.errors import PacsError

pytestmark = pytest.mark.interop

classes: Any = importlib.import_module("pacskit.compat.pynetdicom.sop_class")
config: Any = importlib.import_module("pacskit.compat.pynetdicom._config")
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "from-pynetdicom.md"
ECHO = "1.2.840.10008.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.1.1"
GET = "1.2.840.10008.5.1.4.1.2.1.3"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
LONG = 60


@contextmanager
def serving(*uids: str, handlers: Any = (), **settings: Any) -> Iterator[Any]:
    """A server of ours for some SOP classes."""
    ae = ours.AE("SERVER")
    for name, value in settings.items():
        setattr(ae, name, value)
    for uid in uids or (ECHO,):
        ae.add_supported_context(uid)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield server
    finally:
        server.shutdown()


def asking(server: Any, *uids: str, ae: ApplicationEntity | None = None, **options: Any) -> Association:
    ae = ae or ours.AE("CLIENT")
    contexts = [ours.build_context(uid) for uid in uids or (ECHO,)]
    host, port = server.server_address
    return ae.associate(host, port, contexts, **options)


def keep(stored: list[Any]) -> Callable[[Any], int]:
    """A handler that keeps data sets."""

    def handle(event: Any) -> int:
        stored.append(event.dataset)
        return 0

    return handle


def query(name: str = "*") -> Dataset:
    made = Dataset()
    made.QueryRetrieveLevel = "PATIENT"
    made.PatientName = name
    return made


def test_the_page_names_tests_that_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text("utf-8")))
    assert named
    assert named <= set(globals())


def test_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == "echo from CLIENT\n"


# ---- differences ------------------------------------------------------------------------------------------------


def test_data_sets_are_those_of_the_script() -> None:
    seen: list[Any] = []

    def handle(event: Any) -> Iterator[Any]:
        seen.append(event.identifier)
        yield 0xFF00, event.identifier

    with serving(FIND, handlers=[(evt.EVT_C_FIND, handle)]) as server:
        for wanted in (None, "pydicom", "pacskit"):
            server.ae.data_sets = wanted
            client = ours.AE()
            client.data_sets = wanted
            assoc = asking(server, FIND, ae=client)
            sent: Any = pydicom.Dataset() if wanted == "pacskit" else Dataset()
            sent.QueryRetrieveLevel, sent.PatientName = "PATIENT", "Jäne^*"
            sent.SpecificCharacterSet = "ISO_IR 100"
            (first, found), _ = list(assoc.send_c_find(sent, FIND))
            kind = Dataset if wanted == "pacskit" else pydicom.Dataset
            assert type(first) is type(found) is type(seen[-1]) is kind
            assert found.PatientName == "Jäne^*"
            assoc.release()
    with pytest.raises(ValueError, match="data_sets"):
        ours.AE().data_sets = "other"
    code = (
        "import sys; from pacskit.compat.pynetdicom.datasets import library;"
        "print(type(library().dataset()).__module__, 'pydicom' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["pacskit.compat.pydicom.dataset", "False"]


def test_associations_name_pacskit() -> None:
    with serving() as server:
        assoc = asking(server)
        assert assoc.acceptor.implementation_version_name == ours.PYNETDICOM_IMPLEMENTATION_VERSION
        assert str(assoc.acceptor.implementation_version_name).startswith("PACSKIT")
        assoc.release()
        server.ae.implementation_class_uid = "1.2.3.4"
        server.ae.implementation_version_name = "OTHER"
        assoc = asking(server)
        assert (assoc.acceptor.implementation_class_uid, assoc.acceptor.implementation_version_name) == (
            "1.2.3.4",
            "OTHER",
        )
        assoc.release()


def test_more_associations_than_allowed_are_rejected() -> None:
    with serving(maximum_associations=2) as server:
        held = [asking(server) for _ in range(2)]
        third = asking(server)
        assert (third.is_rejected, third.is_established) == (True, False)
        said = third.acceptor.primitive
        assert said is not None
        assert (said.result, said.result_source, said.diagnostic) == (2, 3, 2)
        assert len(server.active_associations) == 2
        for assoc in held:
            assert assoc.send_c_echo().Status == 0
            assoc.release()


def test_an_iteration_that_is_left_is_cancelled() -> None:
    cancelled = threading.Event()

    def handle(event: Any) -> Iterator[Any]:
        for _ in range(100_000):
            if event.is_cancelled:
                cancelled.set()
                yield 0xFE00, None
                return
            yield 0xFF00, query()

    with serving(FIND, ECHO, handlers=[(evt.EVT_C_FIND, handle)]) as server:
        assoc = asking(server, FIND, ECHO)
        for _ in assoc.send_c_find(query(), FIND):
            break
        assert cancelled.wait(LONG)
        assert assoc.send_c_echo().Status == 0
        responses = assoc.send_c_find(query(), FIND)
        next(responses)
        assoc.release()
        assert assoc.is_released
        with pytest.raises(StopIteration):
            next(responses)


def test_one_operation_at_a_time() -> None:
    def handle(event: Any) -> Iterator[Any]:
        yield 0xFF00, query()

    with serving(FIND, ECHO, handlers=[(evt.EVT_C_FIND, handle)]) as server:
        assoc = asking(server, FIND, ECHO)
        responses = assoc.send_c_find(query(), FIND)
        with pytest.raises(RuntimeError, match="not finished"):
            assoc.send_c_echo()
        with pytest.raises(RuntimeError, match="not finished"):
            assoc.send_c_find(query(), FIND)
        assert [found.Status for found, _ in responses] == [0xFF00, 0]
        assert assoc.send_c_echo().Status == 0
        assoc.release()


def test_final_responses_do_not_count_what_remains() -> None:
    def handle(event: Any) -> Iterator[Any]:
        yield 1
        yield 0xFF00, pydicom.dcmread(str(pydicom.data.get_testdata_file("CT_small.dcm")))

    with serving(GET, handlers=[(evt.EVT_C_GET, handle)]) as server:
        server.contexts.append(ours.build_context(CT))
        server.contexts[-1].scu_role, server.contexts[-1].scp_role = False, True
        stored: list[Any] = []
        handlers = [(evt.EVT_C_STORE, keep(stored))]
        role = ours.build_role(CT, scp_role=True)
        assoc = asking(server, GET, CT, ext_neg=[role], evt_handlers=handlers)
        (pending, _), (final, _) = list(assoc.send_c_get(query(), GET))
        assert len(stored) == 1
        assert pending.NumberOfRemainingSuboperations == 0
        assert "NumberOfRemainingSuboperations" not in final
        assert final.NumberOfCompletedSuboperations == 1
        assoc.release()


def test_private_sop_classes_need_no_registration() -> None:
    uid = "1.2.826.0.1.3680043.9.3811.77"
    with pytest.raises(ours.Unsupported, match="not needed"):
        ours.register_uid(uid, "Ours")
    stored: list[Any] = []
    with serving(uid, handlers=[(evt.EVT_C_STORE, keep(stored))]) as server:
        assoc = asking(server, uid)
        made: Any = Dataset()
        made.SOPClassUID, made.SOPInstanceUID, made.PatientID = uid, "1.2.3", "7"
        made.file_meta = type(made)()
        made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        assert assoc.send_c_store(made).Status == 0
        assoc.release()
    assert [one.PatientID for one in stored] == ["7"]


def test_related_sop_classes_are_accepted() -> None:
    enhanced = "1.2.840.10008.5.1.4.1.1.2.1"
    item = pdu_primitives.SOPClassCommonExtendedNegotiation()
    item.sop_class_uid = classes.EnhancedCTImageStorage
    item.service_class_uid = classes.SOPClass("1.2.840.10008.4.2")
    item.related_general_sop_class_identification = [classes.CTImageStorage]
    for handlers, accepted in (([], 0), ([(evt.EVT_SOP_COMMON, lambda event: event.items)], 1)):
        with serving(CT, handlers=handlers) as server:
            assoc = asking(server, enhanced, ext_neg=[item])
            assert len(assoc.accepted_contexts) == accepted
            assoc.release()


def test_the_debug_log_has_messages_and_no_patients() -> None:
    code = """
from pacskit.compat.pynetdicom import AE, debug_logger, evt
from pacskit.compat.pydicom import Dataset
debug_logger()
FIND = "1.2.840.10008.5.1.4.1.2.1.1"
def handle(event):
    yield 0xFF00, event.identifier
ae = AE()
ae.add_supported_context(FIND)
ae.add_requested_context(FIND)
server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, handle)])
assoc = ae.associate(*server.server_address)
ds = Dataset()
ds.PatientName = "SECRET^NAME"
list(assoc.send_c_find(ds, FIND))
assoc.release()
ae.shutdown()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for part in ("D: ", "I: ", "A-ASSOCIATE-RQ", "C-FIND-RQ", "C-FIND-RSP", "A-RELEASE-RP"):
        assert part in done.stderr
    assert "SECRET" not in done.stderr


def left() -> tuple[int, int]:
    """The threads and descriptors of this process, once every association has ended."""
    for thread in threading.enumerate():
        if isinstance(thread, Association):
            thread.join(LONG)
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_nothing_is_left_of_associations() -> None:
    with serving() as server:
        asking(server).release()
        before = left()
        for number in range(20):
            assoc = asking(server)
            assert assoc.send_c_echo().Status == 0
            if number % 2:
                assoc.abort()
            else:
                assoc.release()
            assert not assoc.is_alive()
            assert assoc.ae.active_associations == []
        assert left() == before


def test_settings_of_the_process_are_refused() -> None:
    for name in [name for name in dir(theirs._config) if name.isupper() and name != "HAVE_CTYPES"]:
        if name == "VALIDATORS":
            continue  # functions, which nothing calls
        value = getattr(config, name)
        setattr(config, name, value)
        with pytest.raises(ours.Unsupported, match=name):
            setattr(config, name, "another")
    with pytest.raises(PacsError, match="patient data"):
        config.LOG_RESPONSE_IDENTIFIERS = True


def test_what_cannot_be_given_is_refused() -> None:
    with serving() as server:
        for refused in (
            lambda: server.bind(evt.EVT_FSM_TRANSITION, print),
            lambda: asking(server, evt_handlers=[(evt.EVT_FSM_TRANSITION, print)]),
            lambda: ours.AE().make_server(("127.0.0.1", 0), server_class=object),
            lambda: setattr(server.ae, "maximum_pdu_size", 1000),
            lambda: asking(server, max_pdu=1000),
        ):
            with pytest.raises(ours.Unsupported):
                refused()
        pdus: list[Any] = []
        assoc = asking(server, evt_handlers=[(evt.EVT_PDU_SENT, lambda event: pdus.append(event.pdu))])
        assoc.release()
        for name in ("acse", "dimse", "dul"):
            assert not hasattr(assoc, name)
            with pytest.raises(ours.Unsupported, match=name):
                getattr(assoc, name)
        assert pdus[0].to_primitive().called_ae_title == "ANY-SCP"
        with pytest.raises(ours.Unsupported, match="user_information"):
            pdus[0].user_information  # noqa: B018
        with pytest.raises(ours.Unsupported, match="encoded_dataset"):
            evt.Event(assoc, evt.EVT_C_STORE).dataset_path  # noqa: B018


# ---- what happens by itself ---------------------------------------------------------------------------------------


def test_an_abort_ends_what_another_thread_waits_for() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def handle(event: Any) -> int:
        asked.set()
        go_on.wait(LONG)
        return 0

    with serving(handlers=[(evt.EVT_C_ECHO, handle)]) as server:
        assoc = asking(server)
        got: list[Any] = []
        thread = threading.Thread(target=lambda: got.append(assoc.send_c_echo()))
        thread.start()
        assert asked.wait(LONG)
        assoc.abort()
        thread.join(LONG)
        go_on.set()
        assert (len(got), len(got[0])) == (1, 0)
        assert (assoc.is_aborted, assoc.is_established, assoc.is_released) == (True, False, False)


def test_an_answer_that_does_not_come_ends_the_association() -> None:
    go_on = threading.Event()
    with serving(handlers=[(evt.EVT_C_ECHO, lambda event: go_on.wait(LONG) and 0)]) as server:
        client = ours.AE()
        client.dimse_timeout = 0.2
        assoc = asking(server, ae=client)
        assert len(assoc.send_c_echo()) == 0
        assert assoc.is_aborted
        with pytest.raises(RuntimeError, match="established"):
            assoc.send_c_echo()
        go_on.set()


@pytest.mark.parametrize("response", ["A-ABORT", "A-RELEASE"])
def test_an_idle_association_ends(response: str) -> None:
    over = threading.Event()
    handlers = [(event, lambda event: over.set()) for event in (evt.EVT_ABORTED, evt.EVT_RELEASED)]
    with serving() as server:
        client = ours.AE()
        client.network_timeout = 0.5
        assoc = asking(server, ae=client, evt_handlers=handlers)
        assoc.network_timeout_response = response
        assert assoc.send_c_echo().Status == 0
        assert over.wait(LONG)
        assert (assoc.is_aborted, assoc.is_released) == (response == "A-ABORT", response == "A-RELEASE")


def test_a_peer_that_leaves_is_noticed() -> None:
    over = threading.Event()
    established = threading.Event()
    handlers = [(event, lambda event: over.set()) for event in (evt.EVT_ABORTED, evt.EVT_RELEASED)]
    with serving(handlers=[(evt.EVT_ESTABLISHED, lambda event: established.set())]) as server:
        assoc = asking(server, evt_handlers=handlers)
        assert established.wait(LONG)
        (accepted,) = server.active_associations
        accepted.release()
        assert over.wait(LONG)
        assert (assoc.is_released, assoc.is_established) == (True, False)
        over.clear()
        assoc = asking(server, evt_handlers=handlers)
        server.ae.shutdown()
        assert over.wait(LONG)
        assert assoc.is_aborted


def test_many_associations_of_one_entity_at_once() -> None:
    with serving(maximum_associations=8) as server:
        client = ours.AE()
        statuses: list[int] = []

        def work() -> None:
            assoc = asking(server, ae=client)
            statuses.extend(assoc.send_c_echo(number).Status for number in range(1, 26))
            assoc.release()

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert statuses == [0] * 150


def test_what_is_too_big_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negotiating, "_MAX_OBJECT", 30_000)
    stored: list[Any] = []
    with serving(CT, MR, handlers=[(evt.EVT_C_STORE, keep(stored))]) as server:
        assoc = asking(server, CT, MR)
        for name, wanted in (("CT_small.dcm", 0xA700), ("MR_small.dcm", 0)):
            path = str(pydicom.data.get_testdata_file(name))
            assert assoc.send_c_store(path).Status == wanted
        assoc.release()
    assert len(stored) == 1


def test_what_comes_with_a_response_is_taken_in() -> None:
    """A notification in the same segment as the response before it."""
    uid, reported = "1.2.840.10008.1.20.1", threading.Event()
    heard: list[int] = []

    def act(event: Any) -> Any:
        threading.Thread(target=report, args=(event.assoc,)).start()
        return 0, None

    def report(assoc: Any) -> None:
        heard.append(assoc.send_n_event_report(None, 1, uid, "1.2.3")[0].Status)
        reported.set()

    with serving(uid, handlers=[(evt.EVT_N_ACTION, act)]) as server:
        assoc = asking(server, uid, evt_handlers=[(evt.EVT_N_EVENT_REPORT, lambda event: (0, None))])
        for number in range(50):
            assert assoc.send_n_action(None, 1, uid, "1.2.3")[0].Status == 0
            assert reported.wait(LONG), number
            reported.clear()
        assoc.release()
    assert heard == [0] * 50
