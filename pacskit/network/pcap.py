"""Captures in the classic pcap format: written with made-up TCP/IP headers, read with TCP put back in order."""

from __future__ import annotations

import ipaddress
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from pacskit.core.errors import DecodeError, TruncatedError

__all__ = ["PcapWriter", "Segment", "read_pcap"]

_MAGIC: Final = 0xA1B2C3D4
_NANOSECONDS: Final = 0xA1B23C4D
_RAW: Final = 101  # LINKTYPE_RAW: the packet begins with its IP header
_FIN, _SYN, _PSH, _ACK = 1, 2, 8, 16
_PAYLOAD: Final = 32768  # of one packet; the lengths of IP have 16 bits
_LONGEST: Final = 1 << 18
_AHEAD: Final = 64 << 20  # bytes of one direction that may wait for a packet that is missing

End = tuple[str, int]


@dataclass
class _Written:
    """A connection that is being written: the next sequence number of each end."""

    client: End
    server: End
    numbers: dict[bool, int] = field(default_factory=lambda: {True: 1, False: 1})


class PcapWriter:
    """Writes the bytes of connections to a capture that Wireshark reads. Any number of threads use it at once."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115 - closed by close()
        self._file.write(struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, 262144, _RAW))
        self._lock = threading.Lock()
        self._links: dict[int, _Written] = {}

    def write(self, number: int, client: End, server: End, data: bytes, *, sent: bool, at: float) -> None:
        """Write ``data`` of connection ``number``, ``sent`` by the client or received by it, at that time."""
        with self._lock:
            link = self._links.get(number)
            if link is None:
                link = self._links[number] = _Written(client, server)
                self._packet(link, True, b"", _SYN, 0, 0, at)
                self._packet(link, False, b"", _SYN | _ACK, 0, 1, at)
                self._packet(link, True, b"", _ACK, 1, 1, at)
            for start in range(0, len(data), _PAYLOAD):
                piece = data[start : start + _PAYLOAD]
                self._data(link, sent, piece, at)

    def finish(self, number: int, *, at: float) -> None:
        """The connection is closed."""
        with self._lock:
            link = self._links.pop(number, None)
            if link is not None:
                for sent in (True, False):
                    self._packet(link, sent, b"", _FIN | _ACK, link.numbers[sent], link.numbers[not sent], at)
            self._file.flush()

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def _data(self, link: _Written, sent: bool, piece: bytes, at: float) -> None:
        self._packet(link, sent, piece, _PSH | _ACK, link.numbers[sent], link.numbers[not sent], at)
        link.numbers[sent] = (link.numbers[sent] + len(piece)) & 0xFFFFFFFF

    def _packet(self, link: _Written, sent: bool, data: bytes, flags: int, number: int, answer: int, at: float) -> None:
        source, target = (link.client, link.server) if sent else (link.server, link.client)
        tcp = struct.pack(
            ">HHIIBBHHH", source[1], target[1], number, answer, 5 << 4, flags, 0xFFFF, 0, 0
        )  # no checksum, as captures with offloading have it
        packet = _ip_header(source[0], target[0], len(tcp) + len(data)) + tcp + data
        seconds, fraction = divmod(int(at * 1_000_000), 1_000_000)
        self._file.write(struct.pack("<IIII", seconds, fraction, len(packet), len(packet)) + packet)


def _ip_header(source: str, target: str, length: int) -> bytes:
    ends = ipaddress.ip_address(source.partition("%")[0]), ipaddress.ip_address(target.partition("%")[0])
    if ends[0].version == 6:
        return struct.pack(">IHBB", 6 << 28, length, 6, 64) + ends[0].packed + ends[1].packed
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, 6, 0) + ends[0].packed + ends[1].packed
    total = sum(struct.unpack(">10H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack(">H", ~total & 0xFFFF) + head[12:]


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes of a connection, in their order: from ``source`` to ``target`` at ``at``; ``ends`` when nothing follows."""

    at: float
    source: End
    target: End
    data: bytes
    ends: bool = False


def read_pcap(path: str | os.PathLike[str]) -> Iterator[Segment]:
    """Yield the TCP payloads of a capture, each direction in its order, without what was sent twice.

    Reads classic pcap of Ethernet, Linux cooked, loopback and raw IP; raises DecodeError for anything else.
    """
    streams: dict[tuple[End, End], _Stream] = {}
    with open(path, "rb") as file:
        for at, kind, packet in _packets(file):
            found = _tcp(kind, packet)
            if found is None:
                continue
            source, target, number, flags, data = found
            if flags & _SYN:
                streams[source, target] = _Stream((number + 1) & 0xFFFFFFFF)
                continue
            stream = streams.setdefault((source, target), _Stream(number))
            for piece in stream.add(number, data):
                yield Segment(at, source, target, piece)
            if flags & _FIN:
                yield Segment(at, source, target, b"", ends=True)


def _packets(file: BinaryIO) -> Iterator[tuple[float, int, bytes]]:
    head = file.read(24)
    if len(head) < 24:
        raise TruncatedError("a capture is too short", offset=len(head))
    order = next((one for one in "<>" if struct.unpack(f"{one}I", head[:4])[0] in (_MAGIC, _NANOSECONDS)), None)
    if order is None:
        raise DecodeError("not a classic pcap file (pcapng: save it as pcap)", offset=0)
    unit = 1e-9 if struct.unpack(f"{order}I", head[:4])[0] == _NANOSECONDS else 1e-6
    kind = struct.unpack(f"{order}I", head[20:24])[0] & 0xFFFF
    if kind not in (0, 1, _RAW, 113, 228, 229):
        raise DecodeError(f"a capture of link type {kind} is not read", offset=20)
    while record := file.read(16):
        if len(record) < 16:
            raise TruncatedError("a packet's header is cut off", offset=file.tell())
        seconds, fraction, length, _ = struct.unpack(f"{order}IIII", record)
        if length > _LONGEST:
            raise DecodeError("a packet is longer than a capture holds", offset=file.tell() - 16)
        packet = file.read(length)
        if len(packet) < length:
            raise TruncatedError("a packet is cut off", offset=file.tell())
        yield seconds + fraction * unit, kind, packet


def _tcp(kind: int, packet: bytes) -> tuple[End, End, int, int, bytes] | None:
    """Return source, target, sequence number, flags and payload of a TCP packet; None for any other."""
    offset = {0: 4, 1: 14, 113: 16}.get(kind, 0)
    if kind == 1 and packet[12:14] == b"\x81\x00":  # a VLAN
        offset = 18
    ip = packet[offset:]
    if len(ip) < 20:
        return None
    if ip[0] >> 4 == 4:
        start, end = (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big")
        addresses, protocol = (ip[12:16], ip[16:20]), ip[9]
    else:
        start, end = 40, 40 + int.from_bytes(ip[4:6], "big")
        addresses, protocol = (ip[8:24], ip[24:40]), ip[6]
    segment = ip[start : end or None]  # 0: left to the network card
    if protocol != 6 or len(segment) < 20:
        return None
    source_port, target_port, number = struct.unpack_from(">HHI", segment)
    source, target = (str(ipaddress.ip_address(one)) for one in addresses)
    return (source, source_port), (target, target_port), number, segment[13], segment[(segment[12] >> 4) * 4 :]


class _Stream:
    """One direction of a connection, put back in order."""

    def __init__(self, number: int) -> None:
        self._next = number
        self._early: dict[int, bytes] = {}

    def add(self, number: int, data: bytes) -> Iterator[bytes]:
        if data:
            self._early[number] = max(self._early.get(number, b""), data, key=len)
        if sum(map(len, self._early.values())) > _AHEAD:
            raise DecodeError("a capture lacks packets: too much waits for one that is missing")
        while True:
            found = next((one for one in self._early if (self._next - one) & 0xFFFFFFFF < 1 << 31), None)
            if found is None:
                return
            piece = self._early.pop(found)[(self._next - found) & 0xFFFFFFFF :]
            if piece:
                self._next = (self._next + len(piece)) & 0xFFFFFFFF
                yield piece
