"""Scripts as users of pynetdicom write them: an SCP and an SCU each, for `test_pynetdicom`.

The SCP serves at ``ADDRESS`` and leaves its ``server``; the SCU reaches it at ``HOST`` and ``PORT``. Both append to
``told`` what they saw, as plain values, may keep files in ``FOLDER``, and share the dictionary ``SHARED``.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Scripts(NamedTuple):
    scp: str
    scu: str


ECHO = Scripts(
    scp="""
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

def handle_echo(event):
    told.append((event.assoc.requestor.ae_title, event.message_id, event.context.abstract_syntax.name))
    return 0x0000

ae = AE(ae_title="ECHO_SCP")
ae.add_supported_context(Verification)
server = ae.start_server(ADDRESS, block=False, evt_handlers=[(evt.EVT_C_ECHO, handle_echo)])
""",
    scu="""
from pynetdicom import AE
from pynetdicom.sop_class import Verification

ae = AE(ae_title="ECHO_SCU")
ae.add_requested_context(Verification)
assoc = ae.associate(HOST, PORT, ae_title="ECHO_SCP")
if assoc.is_established:
    for number in (1, 7):
        status = assoc.send_c_echo(msg_id=number)
        if status:
            told.append(f"0x{status.Status:04x}")
        else:
            told.append("no answer")
    context = assoc.accepted_contexts[0]
    told.append((context.context_id, context.abstract_syntax, context.transfer_syntax[0], context.status))
    assoc.release()
told.append((assoc.is_released, assoc.is_aborted, assoc.is_rejected, assoc.is_established))
""",
)

STORE = Scripts(
    scp="""
import os
from pynetdicom import AE, evt, AllStoragePresentationContexts, ALL_TRANSFER_SYNTAXES

def handle_store(event, folder):
    ds = event.dataset
    ds = ds[0x00030000:]
    ds.file_meta = event.file_meta
    name = os.path.join(folder, f"{ds.SOPInstanceUID}.dcm")
    ds.save_as(name, write_like_original=False)
    with open(name + ".raw", "wb") as file:
        file.write(event.encoded_dataset())
    told.append((str(ds.PatientName), ds.file_meta.TransferSyntaxUID.name, len(event.encoded_dataset(False))))
    return 0xB000 if "Coerced" in str(ds.get("PatientComments", "")) else 0x0000

ae = AE("STORE_SCP")
storage_sop_classes = [cx.abstract_syntax for cx in AllStoragePresentationContexts]
for uid in storage_sop_classes:
    ae.add_supported_context(uid, ALL_TRANSFER_SYNTAXES)
handlers = [(evt.EVT_C_STORE, handle_store, [FOLDER])]
server = ae.start_server(ADDRESS, block=False, evt_handlers=handlers)
""",
    scu="""
import os
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000Lossless, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, StoragePresentationContexts
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, SecondaryCaptureImageStorage

names = ("CT_small.dcm", "MR_small.dcm", "examples_jpeg2k.dcm", "MR_small_bigendian.dcm")
ae = AE("STORE_SCU")
ae.add_requested_context(CTImageStorage, ImplicitVRLittleEndian)
ae.add_requested_context(MRImageStorage, [ExplicitVRLittleEndian])
ae.add_requested_context("1.2.840.10008.5.1.4.1.1.6.1", JPEG2000Lossless)
assoc = ae.associate(HOST, PORT)
if assoc.is_established:
    for name in names:
        ds = dcmread(get_testdata_file(name))
        if name == "CT_small.dcm":
            ds.PatientComments = "Coerced"
        try:
            status = assoc.send_c_store(ds)
        except (ValueError, AttributeError) as error:
            told.append((name, type(error).__name__))
        else:
            told.append((name, status.Status))
    for wrong in ("SOPClassUID", "SOPInstanceUID"):
        ds = dcmread(get_testdata_file("MR_small.dcm"))
        del ds[wrong]
        try:
            assoc.send_c_store(ds)
        except AttributeError as error:
            told.append((wrong, wrong in str(error)))
    try:
        assoc.send_c_store(get_testdata_file("rtplan.dcm"))
    except ValueError:
        told.append("no context")
    told.append(assoc.send_c_store(get_testdata_file("MR_small.dcm"), msg_id=12, priority=1).Status)
    assoc.release()
try:
    assoc.send_c_echo()
except RuntimeError:
    told.append("not established")
""",
)

FIND = Scripts(
    scp="""
import time
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind, ModalityWorklistInformationFind

def handle_find(event):
    query = event.identifier
    told.append((query.QueryRetrieveLevel, str(query.PatientName), event.request.Priority))
    if query.PatientName == "FAIL^":
        yield 0xA900, None
        return
    if query.PatientName == "RAISE^":
        raise RuntimeError("broken")
    if query.PatientName == "COMMENT^":
        status = Dataset()
        status.Status = 0xC001
        status.ErrorComment = "not today"
        yield status, None
        return
    for number in range(3):
        match = Dataset()
        match.QueryRetrieveLevel = query.QueryRetrieveLevel
        match.PatientID = str(number)
        match.PatientName = f"Name{number}^{query.PatientName}"
        yield 0xFF00, match
    if query.PatientName == "MANY^":
        for _ in range(6000):
            if event.is_cancelled:
                told.append("cancelled")
                yield 0xFE00, None
                return
            time.sleep(0.01)

def handle_worklist(event):
    item = Dataset()
    item.PatientName = "Wörk^List"
    item.SpecificCharacterSet = "ISO_IR 192"
    step = Dataset()
    step.Modality = "CT"
    step.ScheduledStationAETitle = event.identifier.ScheduledProcedureStepSequence[0].ScheduledStationAETitle
    item.ScheduledProcedureStepSequence = [step]
    yield 0xFF00, item

def handle(event):
    if event.request.AffectedSOPClassUID == ModalityWorklistInformationFind:
        return handle_worklist(event)
    return handle_find(event)

ae = AE()
ae.add_supported_context(PatientRootQueryRetrieveInformationModelFind)
ae.add_supported_context(ModalityWorklistInformationFind)
server = ae.start_server(ADDRESS, block=False, evt_handlers=[(evt.EVT_C_FIND, handle)])
""",
    scu="""
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelFind, ModalityWorklistInformationFind

ae = AE()
ae.add_requested_context(PatientRootQueryRetrieveInformationModelFind)
ae.add_requested_context(ModalityWorklistInformationFind)
assoc = ae.associate(HOST, PORT)
for name in ("CITIZEN^", "FAIL^", "RAISE^", "COMMENT^"):
    ds = Dataset()
    ds.PatientName = name
    ds.QueryRetrieveLevel = "PATIENT"
    ds.PatientID = ""
    for status, identifier in assoc.send_c_find(ds, PatientRootQueryRetrieveInformationModelFind):
        found = identifier and (identifier.PatientID, str(identifier.PatientName))
        told.append((hex(status.Status), status.get("ErrorComment"), found))
ds = Dataset()
ds.PatientName = "MANY^"
ds.QueryRetrieveLevel = "PATIENT"
statuses = set()
for status, identifier in assoc.send_c_find(ds, PatientRootQueryRetrieveInformationModelFind, msg_id=5):
    statuses.add(hex(status.Status))
    if status.Status == 0xFF00 and identifier.PatientID == "1":
        assoc.send_c_cancel(5, query_model=PatientRootQueryRetrieveInformationModelFind)
told.append(sorted(statuses))
step = Dataset()
step.ScheduledStationAETitle = "CTSCANNER"
ds = Dataset()
ds.PatientName = "*"
ds.ScheduledProcedureStepSequence = [step]
for status, identifier in assoc.send_c_find(ds, ModalityWorklistInformationFind):
    if status and status.Status in (0xFF00, 0xFF01):
        found = identifier.ScheduledProcedureStepSequence[0]
        told.append((str(identifier.PatientName), found.Modality, found.ScheduledStationAETitle))
assoc.release()
""",
)

_RETRIEVE_SCP: Final = """
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pynetdicom import AE, evt, StoragePresentationContexts, build_context
from pynetdicom.sop_class import (
    CTImageStorage,
    MRImageStorage,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
)

def instances():
    return [dcmread(get_testdata_file(name)) for name in ("CT_small.dcm", "MR_small.dcm")]

def send(event):
    name = event.identifier.PatientName
    if name == "NONE^":
        yield 0
        return
    yield 2
    for ds in instances():
        if event.is_cancelled:
            yield 0xFE00, None
            return
        if name == "FAIL^":
            failed = Dataset()
            failed.FailedSOPInstanceUIDList = [ds.SOPInstanceUID]
            yield 0xA701, failed
            return
        if name == "RAISE^":
            raise ValueError("broken")
        yield 0xFF00, ds

def handle_get(event):
    told.append(("get", str(event.identifier.PatientName)))
    yield from send(event)

def handle_move(event):
    told.append(("move", event.move_destination, str(event.identifier.PatientName)))
    if event.move_destination not in SHARED:
        yield None, None
        return
    host, port = SHARED[event.move_destination]
    contexts = [build_context(CTImageStorage), build_context(MRImageStorage)]
    yield host, port, {"contexts": contexts}
    yield from send(event)

ae = AE("RETRIEVE_SCP")
for cx in StoragePresentationContexts:
    ae.add_supported_context(cx.abstract_syntax, scp_role=True, scu_role=False)
ae.add_supported_context(PatientRootQueryRetrieveInformationModelGet)
ae.add_supported_context(PatientRootQueryRetrieveInformationModelMove)
handlers = [(evt.EVT_C_GET, handle_get), (evt.EVT_C_MOVE, handle_move)]
server = ae.start_server(ADDRESS, block=False, evt_handlers=handlers)
"""

GET = Scripts(
    scp=_RETRIEVE_SCP,
    scu="""
from pydicom.dataset import Dataset
from pynetdicom import AE, evt, build_role
from pynetdicom.sop_class import CTImageStorage, MRImageStorage, PatientRootQueryRetrieveInformationModelGet

def handle_store(event):
    ds = event.dataset
    ds.file_meta = event.file_meta
    told.append(("stored", ds.SOPInstanceUID, len(ds.PixelData)))
    return SHARED["status"]

ae = AE("GET_SCU")
ae.add_requested_context(PatientRootQueryRetrieveInformationModelGet)
ae.add_requested_context(CTImageStorage)
ae.add_requested_context(MRImageStorage)
roles = [build_role(CTImageStorage, scp_role=True), build_role(MRImageStorage, scp_role=True)]
handlers = [(evt.EVT_C_STORE, handle_store)]
assoc = ae.associate(HOST, PORT, ext_neg=roles, evt_handlers=handlers)
told.append([(cx.abstract_syntax.name, cx.as_scu, cx.as_scp) for cx in assoc.accepted_contexts])
for name, answer in (("ALL^", 0), ("ALL^", 0xB000), ("ALL^", 0xA700), ("NONE^", 0), ("FAIL^", 0), ("RAISE^", 0)):
    SHARED["status"] = answer
    ds = Dataset()
    ds.QueryRetrieveLevel = "PATIENT"
    ds.PatientName = name
    for status, identifier in assoc.send_c_get(ds, PatientRootQueryRetrieveInformationModelGet):
        kinds = ["Failed", "Warning", "Completed"]
        if status.Status == 0xFF00:  # PS3.4 C.4.2.1.6: the others do not count what remains
            kinds.append("Remaining")
        counts = [status.get(f"NumberOf{kind}Suboperations") for kind in kinds]
        failed = identifier and identifier.get("FailedSOPInstanceUIDList")
        told.append((name, hex(status.Status), counts, failed and str(failed)))
assoc.release()
told.append(assoc.is_released)
""",
)

MOVE = Scripts(
    scp=_RETRIEVE_SCP,
    scu="""
from pydicom.dataset import Dataset
from pynetdicom import AE, evt, StoragePresentationContexts
from pynetdicom.sop_class import PatientRootQueryRetrieveInformationModelMove

def handle_store(event):
    request = event.request
    told.append((
        "stored", event.dataset.SOPInstanceUID, request.MoveOriginatorApplicationEntityTitle,
        request.MoveOriginatorMessageID, event.assoc.requestor.ae_title,
    ))
    return 0x0000

ae = AE("MOVE_SCU")
ae.requested_contexts = []
ae.add_requested_context(PatientRootQueryRetrieveInformationModelMove)
ae.supported_contexts = StoragePresentationContexts
scp = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, handle_store)])
SHARED["STORE_SCP"] = scp.socket.getsockname()[:2]
assoc = ae.associate(HOST, PORT)
for name, destination in (("ALL^", "STORE_SCP"), ("ALL^", "NOWHERE"), ("NONE^", "STORE_SCP"), ("RAISE^", "STORE_SCP")):
    ds = Dataset()
    ds.QueryRetrieveLevel = "PATIENT"
    ds.PatientName = name
    responses = assoc.send_c_move(ds, destination, PatientRootQueryRetrieveInformationModelMove, msg_id=3)
    for status, identifier in responses:
        kinds = ["Failed", "Warning", "Completed"]
        if status.Status == 0xFF00:  # PS3.4 C.4.2.1.6: the others do not count what remains
            kinds.append("Remaining")
        counts = [status.get(f"NumberOf{kind}Suboperations") for kind in kinds]
        told.append((name, hex(status.Status), counts))
assoc.release()
scp.shutdown()
told.sort(key=str)  # the two servers tell in their own time
""",
)
