"""The upper layer without sockets: messages to PDUs and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pacskit.network.dimse import TEMPLATES, CEchoRequest, encode_message
from pacskit_ext._dimse import decode_command
from pacskit_ext._fragments import frame, payload_size
from pacskit_ext._pdu import Framer, Pdv

from .common import Benchmark, seeded_bytes


class PduRoundTrip(Benchmark):
    """A data set of some size in fragments of some length, and a command set."""

    params: ClassVar[list[list[int]]] = [[256, 39_000, 525_000], [4096, 16_384, 131_072]]
    param_names: ClassVar[list[str]] = ["size", "max_pdu"]

    def setup(self, size: int, max_pdu: int) -> None:
        self.data = seeded_bytes(size)
        self.payload = payload_size(max_pdu)
        self.framer = Framer(131_072)
        self.wire = b"".join(frame(1, self.data, self.payload))
        self.echo = CEchoRequest(message_id=7)
        self.command = encode_message(self.echo)

    def _receive(self, pieces: Iterable[bytes]) -> int:
        framer, received = self.framer, 0
        for piece in pieces:
            view = memoryview(piece)
            while view:
                window = framer.get_buffer()
                count = min(len(window), len(view))
                window[:count] = view[:count]
                framer.feed(count)
                view = view[count:]
                while isinstance(event := framer.next_event(), Pdv):
                    received += len(event)
        return received

    def time_frame(self, size: int, max_pdu: int) -> None:
        frame(1, self.data, self.payload)

    def time_receive(self, size: int, max_pdu: int) -> None:
        self._receive([self.wire])

    def time_round_trip(self, size: int, max_pdu: int) -> None:
        self._receive(frame(1, self.data, self.payload))

    def time_command_set(self, size: int, max_pdu: int) -> None:
        decode_command(encode_message(self.echo), TEMPLATES)
