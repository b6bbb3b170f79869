"""Verification: C-ECHO (PS3.4 annex A)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pacskit.network.dimse import CEchoRequest
from pacskit.network.flow import Flow, Request, Send

if TYPE_CHECKING:
    from pacskit.network.negotiation import AssociationInfo
    from pacskit.network.sink import Sink

__all__ = ["VERIFICATION", "VerificationService"]

VERIFICATION = "1.2.840.10008.1.1"


class VerificationService:
    """Answers C-ECHO with success."""

    sop_classes = (VERIFICATION,)
    operations = (CEchoRequest,)

    def sink(self, request: Request, association: AssociationInfo) -> Sink | None:
        return None

    def serve(self, request: Request, association: AssociationInfo) -> Flow:
        yield Send(request.command.response())
