"""Scripts about associations themselves; see `pynetdicom_scripts`."""

from __future__ import annotations

from tests.compat.pynetdicom_scripts import Scripts

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

ended = []

def over(event):
    if event.assoc in ended:  # pynetdicom may say it twice
        return
    ended.append(event.assoc)
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
    said = (event.user_id_type, event.primary_field, event.secondary_field)
    if said not in told:
        told.append(said)
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
    (1, b"alice", None), (2, b"bob", b"secret"), (3, b"kerberos", None)
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

REJECTION = Scripts(
    scp="""
from pynetdicom import AE
from pynetdicom.sop_class import Verification

ae = AE("STRICT")
ae.require_called_aet = True
ae.require_calling_aet = ["FRIEND"]
ae.add_supported_context(Verification)
server = ae.start_server(ADDRESS, block=False)
""",
    scu="""
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

def rejected(event):
    told.append(event.event.name)

def asked(ae, **options):
    # pynetdicom may take a rejection that comes at once for a connection that was never made
    for _ in range(50):
        assoc = ae.associate(HOST, PORT, **options)
        if not assoc.is_aborted:
            break
    return assoc

for title, called in (("FRIEND", "OTHER"), ("STRANGER", "STRICT"), ("STRANGER", "OTHER")):
    ae = AE(title)
    ae.add_requested_context(Verification)
    assoc = asked(ae, ae_title=called, evt_handlers=[(evt.EVT_REJECTED, rejected)])
    said = assoc.acceptor.primitive
    told.append((said.result, said.result_source, said.diagnostic))
    told.append((assoc.is_established, assoc.is_released, assoc.is_aborted, assoc.is_rejected))
""",
)

REFUSED_USER = Scripts(
    scp=NEGOTIATION.scp,
    scu="""
from pynetdicom import AE
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import Verification

def asked(ae, **options):
    # pynetdicom may take a rejection that comes at once for a connection that was never made
    for _ in range(50):
        assoc = ae.associate(HOST, PORT, **options)
        if not assoc.is_aborted:
            break
    return assoc

ae = AE()
ae.add_requested_context(Verification)
for kind, primary, secondary in ((1, b"mallory", b""), (2, b"bob", b"guess")):
    user = UserIdentityNegotiation()
    user.user_identity_type = kind
    user.primary_field = primary
    user.secondary_field = secondary
    assoc = asked(ae, ext_neg=[user])
    told.append((assoc.is_established, assoc.is_rejected, assoc.acceptor.primitive.result))
""",
)
