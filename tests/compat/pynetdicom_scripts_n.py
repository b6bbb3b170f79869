"""Scripts of DIMSE-N; see `pynetdicom_scripts`."""

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
