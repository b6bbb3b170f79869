"""More scripts, of DIMSE-N and of association control; see `pynetdicom_scripts`."""

from __future__ import annotations

from tests.compat.pynetdicom_scripts import Scripts

MPPS = Scripts(
    scp="""
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStep

managed = {}

def handle_create(event):
    uid = event.request.AffectedSOPInstanceUID
    if uid is None:
        return 0x0106, None
    if uid in managed:
        return 0x0111, None
    attributes = event.attribute_list
    if "PerformedProcedureStepStatus" not in attributes:
        return 0x0120, None
    if attributes.PerformedProcedureStepStatus.upper() != "IN PROGRESS":
        return 0x0106, None
    ds = Dataset()
    ds.SOPClassUID = ModalityPerformedProcedureStep
    ds.SOPInstanceUID = uid
    ds.update(attributes)
    managed[uid] = ds
    told.append(("created", str(ds.PatientName)))
    return 0x0000, ds

def handle_set(event):
    uid = event.request.RequestedSOPInstanceUID
    if uid not in managed:
        return 0x0112, None
    ds = managed[uid]
    ds.update(event.modification_list)
    told.append(("set", ds.PerformedProcedureStepStatus, len(ds.PerformedSeriesSequence)))
    return 0x0000, ds

handlers = [(evt.EVT_N_CREATE, handle_create), (evt.EVT_N_SET, handle_set)]
ae = AE()
ae.add_supported_context(ModalityPerformedProcedureStep)
server = ae.start_server(ADDRESS, block=False, evt_handlers=handlers)
""",
    scu="""
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import ModalityPerformedProcedureStep
from pynetdicom.status import code_to_category

uid = "1.2.826.0.1.3680043.9.3811.1.2.3"
started = Dataset()
started.PatientName = "Citizen^Jan"
started.PerformedProcedureStepStatus = "IN PROGRESS"
started.PerformedSeriesSequence = []
series = Dataset()
series.SeriesInstanceUID = "1.2.3"
completed = Dataset()
completed.PerformedProcedureStepStatus = "COMPLETED"
completed.PerformedSeriesSequence = [series]

ae = AE()
ae.add_requested_context(ModalityPerformedProcedureStep)
assoc = ae.associate(HOST, PORT)
for _ in range(2):
    status, attributes = assoc.send_n_create(started, ModalityPerformedProcedureStep, uid)
    told.append((hex(status.Status), code_to_category(status.Status), attributes and str(attributes.PatientName)))
status, attributes = assoc.send_n_set(completed, ModalityPerformedProcedureStep, uid)
told.append((hex(status.Status), attributes.PerformedSeriesSequence[0].SeriesInstanceUID))
status, attributes = assoc.send_n_set(completed, ModalityPerformedProcedureStep, uid + ".4")
told.append((hex(status.Status), attributes))
assoc.release()
""",
)

PRINT = Scripts(
    scp="""
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import BasicGrayscalePrintManagementMeta, Printer

made = []

def handle_create(event):
    request = event.request
    told.append((request.AffectedSOPClassUID.name, request.AffectedSOPInstanceUID, len(event.attribute_list)))
    answer = Dataset()
    answer.update(event.attribute_list)
    if request.AffectedSOPInstanceUID is None:
        answer.AffectedSOPInstanceUID = "1.2.3.99"
    box = Dataset()
    box.ReferencedSOPClassUID = "1.2.840.10008.5.1.1.4"
    box.ReferencedSOPInstanceUID = "1.2.3.100"
    answer.ReferencedImageBoxSequence = [box]
    return 0x0000, answer

def handle_set(event):
    told.append((event.request.RequestedSOPClassUID.name, event.modification_list.ImageBoxPosition))
    return 0x0000, event.modification_list

def handle_action(event):
    told.append((event.action_type, event.request.RequestedSOPInstanceUID, len(event.action_information)))
    return 0x0000, None

def handle_delete(event):
    told.append(event.request.RequestedSOPInstanceUID)
    return 0x0000

def handle_get(event):
    told.append([f"{tag:08X}" for tag in event.attribute_identifiers])
    printer = Dataset()
    printer.PrinterStatus = "NORMAL"
    return 0x0000, printer

ae = AE()
ae.add_supported_context(BasicGrayscalePrintManagementMeta)
handlers = [
    (evt.EVT_N_CREATE, handle_create),
    (evt.EVT_N_SET, handle_set),
    (evt.EVT_N_ACTION, handle_action),
    (evt.EVT_N_DELETE, handle_delete),
    (evt.EVT_N_GET, handle_get),
]
server = ae.start_server(ADDRESS, block=False, evt_handlers=handlers)
""",
    scu="""
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import (
    BasicFilmBox, BasicFilmSession, BasicGrayscaleImageBox, BasicGrayscalePrintManagementMeta, Printer, PrinterInstance
)

meta = BasicGrayscalePrintManagementMeta
ae = AE()
ae.add_requested_context(meta)
assoc = ae.associate(HOST, PORT)
status, printer = assoc.send_n_get([0x21100010, 0x21100020], Printer, PrinterInstance, meta_uid=meta)
told.append((status.Status, printer.PrinterStatus))
session = Dataset()
session.NumberOfCopies = "1"
status, made = assoc.send_n_create(session, BasicFilmSession, "1.2.3.1", meta_uid=meta)
told.append((status.Status, made.NumberOfCopies == 1))
status, made = assoc.send_n_create(session, BasicFilmBox, "1.2.3.2", meta_uid=meta)
box = made.ReferencedImageBoxSequence[0].ReferencedSOPInstanceUID
image = Dataset()
image.ImageBoxPosition = 1
status, changed = assoc.send_n_set(image, BasicGrayscaleImageBox, box, meta_uid=meta)
told.append((status.Status, changed.ImageBoxPosition))
status, reply = assoc.send_n_action(None, 1, BasicFilmBox, "1.2.3.2", meta_uid=meta)
told.append((status.Status, reply is not None and len(reply)))
told.append(assoc.send_n_delete(BasicFilmSession, "1.2.3.1", meta_uid=meta).Status)
assoc.release()
""",
)

COMMITMENT = Scripts(
    scp="""
import threading
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

def report(assoc, transaction):
    ds = Dataset()
    ds.TransactionUID = transaction
    status, reply = assoc.send_n_event_report(ds, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
    told.append(("reported", status.Status))
    SHARED["reported"].set()

def handle_action(event):
    information = event.action_information
    told.append((event.action_type, len(information.ReferencedSOPSequence)))
    thread = threading.Thread(target=report, args=(event.assoc, information.TransactionUID), daemon=True)
    thread.start()
    return 0x0000, None

SHARED["reported"] = threading.Event()
ae = AE()
ae.add_supported_context(StorageCommitmentPushModel)
server = ae.start_server(ADDRESS, block=False, evt_handlers=[(evt.EVT_N_ACTION, handle_action)])
""",
    scu="""
import threading
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, StorageCommitmentPushModel, StorageCommitmentPushModelInstance

def handle_report(event):
    told.append((event.event_type, event.event_information.TransactionUID, event.request.AffectedSOPInstanceUID))
    return 0x0000, None

item = Dataset()
item.ReferencedSOPClassUID = CTImageStorage
item.ReferencedSOPInstanceUID = "1.2.3.4"
ds = Dataset()
ds.TransactionUID = "1.2.3.4.5"
ds.ReferencedSOPSequence = [item]

ae = AE()
ae.add_requested_context(StorageCommitmentPushModel)
assoc = ae.associate(HOST, PORT, evt_handlers=[(evt.EVT_N_EVENT_REPORT, handle_report)])
status, reply = assoc.send_n_action(ds, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
told.append(("requested", status.Status))
SHARED["reported"].wait(60)
assoc.release()
told.sort(key=str)
""",
)

UPS = Scripts(
    scp="""
from pydicom.dataset import Dataset
from pynetdicom import AE, evt, UnifiedProcedurePresentationContexts

steps = {}

def handle_create(event):
    steps[event.request.AffectedSOPInstanceUID] = event.attribute_list
    return 0x0000, event.attribute_list

def handle_action(event):
    step = steps[event.request.RequestedSOPInstanceUID]
    step.ProcedureStepState = event.action_information.ProcedureStepState
    told.append((event.action_type, step.ProcedureStepState, event.context.abstract_syntax.name))
    return 0x0000, None

def handle_get(event):
    step = steps[event.request.RequestedSOPInstanceUID]
    answer = Dataset()
    for tag in event.attribute_identifiers:
        answer.add(step[tag])
    return 0x0000, answer

def handle_find(event):
    for uid, step in steps.items():
        match = Dataset()
        match.SOPInstanceUID = uid
        match.ProcedureStepState = step.ProcedureStepState
        yield 0xFF00, match

ae = AE()
for cx in UnifiedProcedurePresentationContexts:
    ae.add_supported_context(cx.abstract_syntax)
handlers = [
    (evt.EVT_N_CREATE, handle_create),
    (evt.EVT_N_ACTION, handle_action),
    (evt.EVT_N_GET, handle_get),
    (evt.EVT_C_FIND, handle_find),
]
server = ae.start_server(ADDRESS, block=False, evt_handlers=handlers)
""",
    scu="""
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import UnifiedProcedureStepPull, UnifiedProcedureStepPush

step = Dataset()
step.ProcedureStepState = "SCHEDULED"
step.ProcedureStepLabel = "Read"
ae = AE()
ae.add_requested_context(UnifiedProcedureStepPush)
assoc = ae.associate(HOST, PORT)
told.append(assoc.send_n_create(step, UnifiedProcedureStepPush, "1.2.3.7")[0].Status)
assoc.release()

# The SOP class of a UPS is always Push, whichever context a request goes in (PS3.4 CC.3.1.1).
ae = AE()
ae.add_requested_context(UnifiedProcedureStepPull)
assoc = ae.associate(HOST, PORT)
change = Dataset()
change.ProcedureStepState = "IN PROGRESS"
change.TransactionUID = "1.2.3.8"
told.append(assoc.send_n_action(change, 1, UnifiedProcedureStepPush, "1.2.3.7")[0].Status)
status, got = assoc.send_n_get([(0x0074, 0x1000)], UnifiedProcedureStepPush, "1.2.3.7")
told.append((status.Status, got.ProcedureStepState))
query = Dataset()
query.ProcedureStepState = ""
for status, found in assoc.send_c_find(query, UnifiedProcedureStepPull):
    told.append((status.Status, found and (found.SOPInstanceUID, found.ProcedureStepState)))
assoc.release()
""",
)

ASSOCIATION = Scripts(
    scp="""
import threading
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, Verification

SHARED["over"] = threading.Event()

def handle_echo(event):
    if event.message_id == 66:
        event.assoc.abort()
    return 0x0000

def over(event):
    told.append((event.event.name, event.assoc.is_released, event.assoc.is_aborted))
    SHARED["over"].set()

ae = AE("STRICT")
ae.require_called_aet = True
ae.require_calling_aet = ["FRIEND"]
ae.add_supported_context(Verification)
ae.add_supported_context(CTImageStorage, "1.2.840.10008.1.2.1")
handlers = [(evt.EVT_C_ECHO, handle_echo), (evt.EVT_RELEASED, over), (evt.EVT_ABORTED, over)]
server = ae.start_server(ADDRESS, block=False, evt_handlers=handlers)
""",
    scu="""
from pynetdicom import AE, build_context
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, Verification

def flags(assoc):
    return assoc.is_established, assoc.is_released, assoc.is_aborted, assoc.is_rejected

ae = AE("FRIEND")
ae.add_requested_context(Verification)
told.append(flags(ae.associate(HOST, PORT, ae_title="OTHER")))
ae.ae_title = "STRANGER"
assoc = ae.associate(HOST, PORT, ae_title="STRICT")
told.append((flags(assoc), assoc.acceptor.primitive.result, assoc.acceptor.primitive.result_source))
ae.ae_title = "FRIEND"

contexts = [
    build_context(Verification),
    build_context(CTImageStorage, "1.2.840.10008.1.2.4.50"),
    build_context(MRImageStorage),
]
assoc = ae.associate(HOST, PORT, contexts=contexts, ae_title="STRICT")
told.append([(cx.context_id, cx.abstract_syntax, cx.result, cx.status) for cx in assoc.rejected_contexts])
told.append([(cx.context_id, cx.abstract_syntax.name) for cx in assoc.accepted_contexts])
told.append((assoc.remote["ae_title"], assoc.remote["port"] == PORT, assoc.local["ae_title"], assoc.is_requestor))
assoc.release()
SHARED["over"].wait(60)
SHARED["over"].clear()
told.append(flags(assoc))

assoc = ae.associate(HOST, PORT, contexts=[build_context(MRImageStorage)], ae_title="STRICT")
told.append(flags(assoc))
SHARED["over"].wait(60)
SHARED["over"].clear()

assoc = ae.associate(HOST, PORT, ae_title="STRICT")
status = assoc.send_c_echo(66)
told.append((len(status), "Status" in status))
SHARED["over"].wait(60)
SHARED["over"].clear()

assoc = ae.associate(HOST, PORT, ae_title="STRICT")
assoc.abort()
told.append(flags(assoc))
SHARED["over"].wait(60)

with __import__("socket").create_server(("127.0.0.1", 0)) as free:
    nobody = free.getsockname()[1]
told.append(flags(ae.associate(HOST, nobody)))
try:
    AE().associate(HOST, PORT)
except RuntimeError:
    told.append("no contexts")
try:
    AE("far too long a title")
except ValueError:
    told.append("no title")
""",
)

TLS = Scripts(
    scp="""
import ssl
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(SHARED["cert"], SHARED["key"])
context.load_verify_locations(SHARED["ca"])
context.verify_mode = ssl.CERT_REQUIRED

ae = AE()
ae.add_supported_context(Verification)
server = ae.start_server(
    ADDRESS, block=False, ssl_context=context, evt_handlers=[(evt.EVT_C_ECHO, lambda event: told.append("echo") or 0)]
)
""",
    scu="""
import ssl
from pynetdicom import AE
from pynetdicom.sop_class import Verification

context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=SHARED["ca"])
context.load_cert_chain(SHARED["cert"], SHARED["key"])
ae = AE()
ae.add_requested_context(Verification)
assoc = ae.associate(HOST, PORT, tls_args=(context, "localhost"))
for _ in range(3):
    told.append(assoc.send_c_echo().Status)
assoc.release()
told.append(assoc.is_released)
stranger = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
assoc = ae.associate(HOST, PORT, tls_args=(stranger, "localhost"))
told.append((assoc.is_established, assoc.is_aborted))
""",
)

NEGOTIATION = Scripts(
    scp="""
from pynetdicom import AE, evt
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind, Verification

def handle_user(event):
    told.append((event.user_id_type, event.primary_field, event.secondary_field))
    if event.user_id_type == 1:
        return event.primary_field == b"alice", None
    if event.user_id_type == 2:
        return event.secondary_field == b"secret", None
    return True, b"ticket:" + event.primary_field

def handle_extended(event):
    if event.app_info:
        told.append({str(uid): information for uid, information in event.app_info.items()})
    return {uid: information[:1] for uid, information in event.app_info.items()}

def handle_common(event):
    if event.items:
        told.append({str(uid): str(item.service_class_uid) for uid, item in event.items.items()})
    return {}

def handle_async(event):
    told.append((event.nr_invoked, event.nr_performed))
    return 1, 1

ae = AE()
ae.add_supported_context(Verification)
ae.add_supported_context(PatientRootQueryRetrieveInformationModelFind)
handlers = [
    (evt.EVT_USER_ID, handle_user),
    (evt.EVT_SOP_EXTENDED, handle_extended),
    (evt.EVT_SOP_COMMON, handle_common),
    (evt.EVT_ASYNC_OPS, handle_async),
]
server = ae.start_server(ADDRESS, block=False, evt_handlers=handlers)
""",
    scu="""
from pynetdicom import AE
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind, Verification

ae = AE()
ae.add_requested_context(Verification)
ae.add_requested_context(PatientRootQueryRetrieveInformationModelFind)
for kind, primary, secondary in (
    (1, b"alice", None), (1, b"mallory", None), (2, b"bob", b"secret"), (2, b"bob", b"guess"), (3, b"kerberos", None)
):
    user = UserIdentityNegotiation()
    user.user_identity_type = kind
    user.primary_field = primary
    if secondary:
        user.secondary_field = secondary
    user.positive_response_requested = kind == 3
    assoc = ae.associate(HOST, PORT, ext_neg=[user])
    answer = assoc.acceptor.user_identity if assoc.is_established else None
    told.append((kind, assoc.is_established, assoc.is_rejected, answer and answer.server_response))
    assoc.release()

extended = SOPClassExtendedNegotiation()
extended.sop_class_uid = PatientRootQueryRetrieveInformationModelFind
extended.service_class_application_information = b"\\x01\\x00\\x01"
common = SOPClassCommonExtendedNegotiation()
common.sop_class_uid = "1.2.840.10008.5.1.4.1.1.88.22"
common.service_class_uid = "1.2.840.10008.4.2"
common.related_general_sop_class_identification = ["1.2.840.10008.5.1.4.1.1.88.11"]
window = AsynchronousOperationsWindowNegotiation()
window.maximum_number_operations_invoked = 4
window.maximum_number_operations_performed = 2
assoc = ae.associate(HOST, PORT, ext_neg=[extended, common, window])
told.append({str(uid): bytes(value) for uid, value in assoc.acceptor.sop_class_extended.items()})
told.append(assoc.acceptor.asynchronous_operations)
assoc.release()
try:
    extended.service_class_application_information = "text"
except TypeError:
    told.append("bytes are wanted")
""",
)

EVENTS = Scripts(
    scp="""
import threading
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

SHARED["closed"] = threading.Event()
seen = []

def note(event):
    seen.append(event.event.name)

def close(event):
    told.append([name for name in seen if name not in ("EVT_CONN_OPEN", "EVT_CONN_CLOSE")])
    told.append((seen[0], isinstance(event.address[0], str)))
    SHARED["closed"].set()

ae = AE()
ae.add_supported_context(Verification)
handlers = [(event, note) for event in (
    evt.EVT_CONN_OPEN, evt.EVT_REQUESTED, evt.EVT_ACCEPTED, evt.EVT_ESTABLISHED, evt.EVT_RELEASED, evt.EVT_ABORTED,
)]
server = ae.start_server(ADDRESS, block=False, evt_handlers=handlers)
server.bind(evt.EVT_CONN_CLOSE, close)
""",
    scu="""
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

pdus, messages, control = [], [], []

def pdu_sent(event):
    pdus.append(("sent", type(event.pdu).__name__, event.pdu.pdu_type, event.pdu.pdu_length == len(event.pdu) - 6))

def pdu_received(event):
    pdus.append(("received", type(event.pdu).__name__, event.pdu.pdu_type))

def data(event, way):
    control.append((way, event.data[0]))

def message(event, way):
    command = event.message.command_set
    messages.append((way, type(event.message).__name__, command.CommandField, event.message.context_id))

ae = AE()
ae.add_requested_context(Verification)
assoc = ae.associate(HOST, PORT, evt_handlers=[
    (evt.EVT_PDU_SENT, pdu_sent),
    (evt.EVT_PDU_RECV, pdu_received),
    (evt.EVT_DATA_SENT, data, ["sent"]),
    (evt.EVT_DATA_RECV, data, ["received"]),
    (evt.EVT_DIMSE_SENT, message, ["sent"]),
    (evt.EVT_DIMSE_RECV, message, ["received"]),
])
told.append(assoc.send_c_echo().Status)
assoc.unbind(evt.EVT_DIMSE_SENT, message)
told.append(assoc.send_c_echo().Status)
assoc.release()
SHARED["closed"].wait(60)
told.extend((sorted(set(pdus)), messages, sorted(set(control))))
""",
)
