"""``pacskit trace``."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from pacskit.core.errors import ConfigurationError
from pacskit.core.events import EventBus
from pacskit.network.address import Address
from pacskit.network.pcap import End, read_pcap
from pacskit.network.relay import Relay
from pacskit.network.streams import StreamDecoder
from pacskit.network.tap import PcapTap, TraceTap, trace_line

__all__ = ["trace"]


def trace(options: argparse.Namespace) -> int:
    if bool(options.file) == bool(options.to):
        raise ConfigurationError("trace reads a capture, or listens for --to: name one of them")
    return _read(options.file) if options.file else _listen(options)


def _read(path: str) -> int:
    """Print what a capture holds."""
    links: dict[frozenset[End], tuple[int, End, StreamDecoder]] = {}
    for segment in read_pcap(path):
        key = frozenset((segment.source, segment.target))
        if key not in links:
            if segment.ends:
                continue
            links[key] = (len(links) + 1, segment.source, StreamDecoder())  # who speaks first has asked
            print(f"#{len(links)}: {_end(segment.source)} -> {_end(segment.target)}")
        number, client, decoder = links[key]
        sent = segment.source == client
        for text in decoder.feed(segment.data, sent=sent):
            print(trace_line(number, segment.at, sent=sent, text=text))
    for number, _, decoder in links.values():
        for text in decoder.rest():
            print(f"#{number} {text}")
    return 0 if links else 1


def _end(end: End) -> str:
    return f"{end[0]}:{end[1]}"


def _listen(options: argparse.Namespace) -> int:
    """Pass on what comes, and print it, until interrupted."""
    target = Address.parse(options.to if "@" in options.to else f"ANY@{options.to}")
    bus = EventBus()
    with ExitStack() as stack:
        if options.write:
            stack.enter_context(PcapTap(bus, options.write))
        stack.enter_context(TraceTap(bus, lambda text: print(text, flush=True)))
        relay = stack.enter_context(Relay(target, bus, host=options.host, port=options.listen))
        print(f"listens on {relay.address[0]}:{relay.address[1]}, passes on to {options.to}", flush=True)
        try:
            relay.wait()
        except KeyboardInterrupt:
            print("ended", file=sys.stderr)
    return 0
