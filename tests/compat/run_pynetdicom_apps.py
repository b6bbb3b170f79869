"""Run pynetdicom's applications with pynetdicom or with `pacskit.compat.pynetdicom` under its name.

``serve LIBRARY FOLDER QRSCP STORESCP ECHOSCP OWN`` starts the three servers at those ports and runs until it is ended;
``request LIBRARY FOLDER QRSCP STORESCP ECHOSCP OWN FILE...`` runs the SCUs against them, one after the other, and
writes their exit codes as JSON to FOLDER. A process of its own, as for `run_pynetdicom_scripts`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from tests.compat.pynetdicom_redirect import install

_QRSCP = """
[DEFAULT]
ae_title: QRSCP
port: {port}
max_pdu: 16382
acse_timeout: 60
dimse_timeout: 60
network_timeout: 60
bind_address: 127.0.0.1
instance_location: {folder}/instances
database_location: {folder}/instances.sqlite
log_identifier: False
[STORESCP]
address: 127.0.0.1
port: {store}
[MOVESCU]
address: localhost
port: {own}
"""


def application(name: str) -> Any:
    return importlib.import_module(f"pynetdicom.apps.{name}.{name}")


def serve(folder: Path, query: int, store: int, echo: int, own: int) -> None:
    """Run the servers, all in this process."""
    config = folder / "qrscp.ini"
    config.write_text(_QRSCP.format(port=query, folder=folder, store=store, own=own))
    commands = {
        "qrscp": ["-q", "-c", str(config)],
        "storescp": ["-q", str(store), "-ba", "127.0.0.1", "-od", str(folder / "stored")],
        "echoscp": ["-q", str(echo), "-ba", "127.0.0.1"],
    }
    threads = [threading.Thread(target=application(name).main, args=(args,)) for name, args in commands.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def request(folder: Path, query: int, store: int, echo: int, own: int, files: list[str]) -> None:
    """Run the SCUs."""
    os.chdir(folder)
    keys = ["-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientName=*", "-k", "PatientID="]
    all_of_it = ["-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=1CT1"]
    commands: list[tuple[str, str, list[str]]] = [
        ("echo", "echoscu", [str(echo)]),
        ("echo store", "echoscu", [str(store), "--repeat", "3"]),
        ("store", "storescu", [str(store), *files]),
        ("store required", "storescu", [str(query), *files, "-cx"]),
        ("find", "findscu", [str(query), "-P", "-w", *keys]),
        ("get", "getscu", [str(query), "-P", *all_of_it, "-od", str(folder / "got")]),
        ("move", "movescu", [str(query), "-P", *all_of_it, "-aem", "STORESCP"]),
        (
            "move here", "movescu",
            [str(query), "-P", *all_of_it, "-aem", "MOVESCU", "--store", "--store-port", str(own), "-od", "moved"],
        ),
        ("nobody there", "echoscu", ["1"]),
    ]  # fmt: skip
    codes: dict[str, Any] = {}
    for name, app, args in commands:
        try:
            application(app).main(["127.0.0.1", args[0], "-q", *args[1:]])
            codes[name] = 0
        except SystemExit as error:
            codes[name] = error.code or 0
    (folder / "codes.json").write_text(json.dumps(codes))


def main() -> None:
    """See the module's text."""
    mode, library, folder, *rest = sys.argv[1:]
    if library != "pynetdicom":
        install()
    query, store, echo, own = map(int, rest[:4])
    if mode == "serve":
        serve(Path(folder), query, store, echo, own)
    else:
        request(Path(folder), query, store, echo, own, rest[4:])


if __name__ == "__main__":
    main()
