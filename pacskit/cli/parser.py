"""What the command line looks like. Nothing heavy is imported here."""

from __future__ import annotations

import argparse

from pacskit._version import __version__
from pacskit.cli.arguments import EXIT_CODES, Commands, add_json, command_for
from pacskit.cli.imaging import add_convert, add_extract, add_import_image
from pacskit.cli.removing import add_removing
from pacskit.cli.tiering import add_tier
from pacskit.cli.upkeep import add_backup, add_import, add_rebuild, add_restore, add_verify

__all__ = ["build_parser"]

_TRANSCODE = ("never", "lossless", "any")
_COMMIT = ("os", "group", "object")
PROFILES = ("bcp195-rfc9325", "bcp195", "bcp195-nd", "bcp195-extended")
STATES = ("pending", "queued", "running", "completed", "failed", "cancelled", "paused")
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="pacskit",
        description="A PACS: an archive to run, and the tools to talk to others.",
        epilog=EXIT_CODES
        + "peers are addressed as AE@host:port (port 104 if left out), by TLS as tls:AE@host:port (2762)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pacskit {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        _serve,
        add_verify,
        add_rebuild,
        add_backup,
        add_restore,
        add_import,
        _echo,
        _store,
        _find,
        _move,
        _get,
        _dump,
        _scan,
        add_convert,
        add_extract,
        add_import_image,
        add_removing,
        _codecs,
        add_tier,
        _jobs,
        _trace,
        _webhook,
        _info,
    ):
        add(commands)
    return parser


def _add_peer(command: argparse.ArgumentParser) -> None:
    command.add_argument("address", metavar="AE@HOST:PORT", help="the peer")
    command.add_argument("--calling", default="PACSKIT", metavar="AE", help="our AE title (default: %(default)s)")
    command.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds to wait for an answer")
    command.add_argument("--explain", action="store_true", help="print what was negotiated to standard error")
    command.add_argument("--tls", action="store_true", help="by TLS, as with tls: before the address")
    _add_certificates(command, "whom to trust, PEM (default: whom the system trusts)")
    command.add_argument(
        "--no-verify-hostname", action="store_true", help="take any certificate that the CA has signed"
    )
    command.add_argument("-v", "--verbose", action="store_true", help="log to standard error")


def _add_certificates(command: argparse.ArgumentParser, ca: str) -> None:
    command.add_argument("--cert", metavar="FILE", help="our certificate, PEM")
    command.add_argument("--key", metavar="FILE", help="its key, PEM (default: in the same file)")
    command.add_argument("--key-password-file", metavar="FILE", help="a file with the password of an encrypted key")
    command.add_argument("--ca", metavar="FILE", help=ca)
    command.add_argument("--tls-profile", choices=PROFILES, help="of PS3.15 annex B (default: bcp195-rfc9325)")


def _add_level(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--level", type=str.upper, choices=LEVELS, default="STUDY", help="query/retrieve level (default: %(default)s)"
    )
    command.add_argument(
        "--model", choices=("study", "patient", "patient-study-only"), default="study", help="information model"
    )


def _serve(commands: Commands) -> None:
    command = command_for(
        commands,
        "serve",
        "serve:serve",
        "Run an archive: C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET over a directory.",
        "  pacskit serve --dir ./pacs-data --ae PACSKIT --port 11112\n"
        "  pacskit serve --dir /srv/pacs --host 0.0.0.0 --node WS1@10.0.0.7:104 --node WS2@10.0.0.8:104\n"
        "  pacskit serve --dir /srv/pacs --config pacs.toml\n"
        "  pacskit serve --dir /srv/node1 --index postgresql://pacs@db/pacs --blobs s3://pacs/objects\n"
        "  pacskit serve --dir /srv/pacs --tls-port 2762 --cert pacs.pem --key pacs.key --ca hospital.pem",
    )
    command.add_argument("--dir", required=True, help="where everything is kept; made if missing")
    command.add_argument("--ae", help="AE title (default: PACSKIT)")
    command.add_argument("--port", type=int, default=11112, help="0: any free one (default: %(default)s)")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    command.add_argument("--node", action="append", default=[], metavar="AE@HOST:PORT", help="a move destination")
    command.add_argument(
        "--calling", action="append", default=[], metavar="PATTERN", help="who may call (default: any)"
    )
    command.add_argument("--duplicates", choices=("ignore", "reject", "replace"), help="(default: ignore)")
    command.add_argument(
        "--commit",
        choices=_COMMIT,
        help="what an acknowledged object survives: the process (os), a power cut too (group, object) (default: group)",
    )
    command.add_argument("--accept-unknown", action="store_true", help="take private storage SOP classes too")
    command.add_argument(
        "--transcode", choices=_TRANSCODE, help="convert pixels for who retrieves and needs it (default: lossless)"
    )
    command.add_argument("--tls-port", type=int, metavar="PORT", help="listen there with TLS too (dicom-tls is 2762)")
    _add_certificates(command, "whom to trust, PEM; clients have to show a certificate then")
    command.add_argument(
        "--require-client-cert",
        action=argparse.BooleanOptionalAction,
        help="turn clients without a certificate away, or not (default: with --ca)",
    )
    command.add_argument(
        "--bind",
        action="append",
        default=[],
        metavar="AE=KIND:VALUE",
        help="only certificates with this common name (cn), alternative name (san) or fingerprint (sha256) may call so",
    )
    command.add_argument(
        "--allow", action="append", default=[], metavar="NETWORK", help="who may connect, as 10.1.0.0/16 (default: any)"
    )
    command.add_argument("--max-per-peer", type=int, metavar="N", help="associations of one address (default: any)")
    command.add_argument("--max-associations", type=int, metavar="N", help="(default: 100)")
    command.add_argument(
        "--processes", type=int, metavar="N", help="how many serve, on one port and one directory (Linux; default: 1)"
    )
    command.add_argument("--index", metavar="ADDRESS", help="postgresql://… or sqlite:///PATH (default: in --dir)")
    command.add_argument("--blobs", metavar="ADDRESS", help="s3://bucket/prefix, az://…, gs://… (default: in --dir)")
    command.add_argument("--blob-cache", metavar="DIR", help="a local disk that keeps what is read from there")
    command.add_argument("--config", metavar="FILE", help="settings in TOML; options win over it")
    command.add_argument("-v", "--verbose", action="store_true", help="log to standard error")


def _echo(commands: Commands) -> None:
    command = command_for(
        commands,
        "echo",
        "scu:echo",
        "Ask a peer whether it is there (C-ECHO).",
        "  pacskit echo PACS@10.0.0.5:104\n  pacskit echo PACSKIT@localhost:11112 --repeat 100 --json",
    )
    _add_peer(command)
    command.add_argument("--repeat", type=int, default=1, metavar="N", help="how often, on one association")
    add_json(command, "an object with status and milliseconds")


def _store(commands: Commands) -> None:
    command = command_for(
        commands,
        "store",
        "scu:store",
        "Send files to a peer (C-STORE); directories are searched for DICOM files.",
        "  pacskit store PACS@10.0.0.5:104 image.dcm\n  pacskit store PACSKIT@localhost:11112 study/ --json",
    )
    _add_peer(command)
    command.add_argument("files", nargs="+", metavar="FILE", help="a file or a directory")
    command.add_argument(
        "--transcode", choices=_TRANSCODE, default="lossless", help="convert pixels where needed (default: %(default)s)"
    )
    command.add_argument("--dry-run", action="store_true", help="negotiate, and say how each file would go")
    command.add_argument(
        "--window", type=int, default=1, metavar="N", help="how many may be under way at a time (default: %(default)s)"
    )
    add_json(command, "a line of JSON for each file")


def _find(commands: Commands) -> None:
    command = command_for(
        commands,
        "find",
        "scu:find",
        "Query a peer (C-FIND).",
        "  pacskit find PACS@10.0.0.5:104 PatientName='DOE*' StudyDate=20260101-\n"
        "  pacskit find PACS@10.0.0.5:104 --level SERIES StudyInstanceUID=1.2.3 Modality=CT --json",
    )
    _add_peer(command)
    _add_level(command)
    command.add_argument("keys", nargs="*", metavar="KEYWORD=VALUE", help="what to match; KEYWORD= only asks for it")
    command.add_argument("--limit", type=int, metavar="N", help="cancel after so many answers")
    add_json(command, "a line of DICOM JSON (PS3.18 F) for each answer")


def _move(commands: Commands) -> None:
    command = command_for(
        commands,
        "move",
        "scu:move",
        "Ask a peer to send instances to an AE that it knows (C-MOVE).",
        "  pacskit move PACS@10.0.0.5:104 1.2.3 --to WS1\n"
        "  pacskit move PACS@10.0.0.5:104 --level SERIES 1.2.3.4 StudyInstanceUID=1.2.3 --to WS1",
    )
    _add_peer(command)
    _add_level(command)
    command.add_argument("what", nargs="+", metavar="UID", help="UIDs (or the patient ID); KEYWORD=UID for those above")
    command.add_argument("--to", required=True, metavar="AE", help="the move destination")
    add_json(command, "a line of JSON with the final counts")


def _get(commands: Commands) -> None:
    command = command_for(
        commands,
        "get",
        "scu:get",
        "Retrieve instances over the same association (C-GET).",
        "  pacskit get PACS@10.0.0.5:104 1.2.3 --into inbox\n"
        "  pacskit get PACS@10.0.0.5:104 --level SERIES 1.2.3.4 StudyInstanceUID=1.2.3 --into inbox",
    )
    _add_peer(command)
    _add_level(command)
    command.add_argument("what", nargs="+", metavar="UID", help="UIDs (or the patient ID); KEYWORD=UID for those above")
    command.add_argument("--into", default=".", metavar="DIR", help="where the files go (default: here)")
    add_json(command, "a line of JSON for each file, and one with the final counts")


def _dump(commands: Commands) -> None:
    command = command_for(
        commands,
        "dump",
        "files:dump",
        "Print what is in a DICOM file.",
        "  pacskit dump image.dcm\n  pacskit dump image.dcm --json | jq '.\"00100010\"'",
    )
    command.add_argument("file", metavar="FILE")
    command.add_argument("--force", action="store_true", help="read files without preamble or meta too")
    add_json(command, "DICOM JSON (PS3.18 F); values that are long and binary as their place in the file")


def _scan(commands: Commands) -> None:
    command = command_for(
        commands,
        "scan",
        "scan:scan",
        "Print some attributes of many files: folders, files, members of zip and tar archives.",
        "  pacskit scan /data/studies --keys PatientID,StudyDate,Modality > index.csv\n"
        "  pacskit scan export.zip --json | jq -r .values.SOPInstanceUID\n"
        "  pacskit scan /data --parquet index.parquet --workers 8",
    )
    command.add_argument("files", nargs="+", metavar="PATH", help="a file, a folder or an archive")
    command.add_argument(
        "--keys", dest="wanted", metavar="A,B", help="keywords, tags, or paths such as Sequence[0].Keyword"
    )
    command.add_argument("--workers", type=int, metavar="N", help="threads (default: one for each processor)")
    command.add_argument("--unordered", action="store_true", help="give rows as they are done")
    command.add_argument("--no-archives", action="store_true", help="do not look into zip and tar archives")
    command.add_argument("--dicomdirs", action="store_true", help="give rows for DICOMDIR files too")
    command.add_argument("--force", action="store_true", help="read files without preamble or meta too")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print comma-separated values (the default)")
    form.add_argument("--json", action="store_true", help="print a line of JSON for each file")
    form.add_argument("--parquet", metavar="FILE", help="write a Parquet file; needs pyarrow")


def _codecs(commands: Commands) -> None:
    command = command_for(
        commands,
        "codecs",
        "codecs:codecs",
        "Print which transfer syntaxes are decoded and encoded, and by what.",
        "  pacskit codecs\n  pacskit codecs --json | jq 'select(.version == null)'",
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a line of JSON for each syntax, direction, back end")
    form.add_argument("--markdown", action="store_true", help="print which pixels each syntax holds, as Markdown")


def _jobs(commands: Commands) -> None:
    command = command_for(
        commands,
        "jobs",
        "jobs:jobs",
        "List the jobs of an archive, show some, or change what becomes of them.",
        "  pacskit jobs list --dir ./pacs-data --state failed\n"
        "  pacskit jobs retry 17 18 --dir ./pacs-data\n"
        "  pacskit jobs pause --kind export --dir ./pacs-data",
    )
    command.add_argument(
        "action",
        choices=("list", "show", "retry", "cancel", "pause", "resume"),
        help="pause and resume without an ID: what has not begun, of a kind or of all",
    )
    command.add_argument("ids", nargs="*", type=int, metavar="ID", help="of jobs, as list prints them")
    command.add_argument("--dir", default=".", help="the directory of the archive (default: here)")
    command.add_argument("--config", metavar="FILE", help="settings in TOML, for an index elsewhere")
    command.add_argument("--state", choices=STATES, help="list only these; failed ones are the dead letters")
    command.add_argument("--kind", help="list, pause or resume only these")
    command.add_argument("--limit", type=int, default=100, metavar="N", help="(default: %(default)s)")
    add_json(command, "a line of JSON for each job")


def _trace(commands: Commands) -> None:
    command = command_for(
        commands,
        "trace",
        "trace:trace",
        "Show the DICOM associations in a capture, or those that pass while it listens.",
        "  pacskit trace capture.pcap\n  pacskit trace --listen 11112 --to 10.0.0.5:104 --write capture.pcap",
    )
    command.add_argument("file", nargs="?", metavar="FILE", help="a capture (classic pcap)")
    command.add_argument("--to", metavar="HOST:PORT", help="pass on to this server what comes, and print it")
    command.add_argument(
        "--listen", type=int, default=0, metavar="PORT", help="where to listen (default: any free one)"
    )
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    command.add_argument("--write", metavar="FILE", help="write a capture too; it holds the data sets")


def _webhook(commands: Commands) -> None:
    command = command_for(
        commands,
        "webhook",
        "webhook:webhook",
        "Tell others by HTTP what happens to an archive; a server on it delivers.",
        "  pacskit webhook add --dir /srv/pacs ris https://ris.example/changes --kind 'study.*'\n"
        "  pacskit webhook list --dir /srv/pacs\n"
        "  pacskit webhook test --dir /srv/pacs ris",
    )
    command.add_argument("action", choices=("add", "list", "remove", "test", "pause", "resume"))
    command.add_argument("name", nargs="?", metavar="NAME", help="of the hook")
    command.add_argument("url", nargs="?", metavar="URL", help="where it is told (add)")
    command.add_argument("--dir", required=True, help="where the archive is")
    command.add_argument("--kind", action="append", default=[], metavar="PATTERN", help="of changes (default: all)")
    command.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="NAME=PATTERN",
        help="only changes that name this, as modality=CT",
    )
    command.add_argument("--secret-file", metavar="FILE", help="the secret (default: one is drawn, and printed once)")
    command.add_argument("--after", type=int, metavar="N", help="begin after this change (default: now)")
    command.add_argument("--config", metavar="FILE", help="settings in TOML")
    add_json(command, "a line of JSON for each hook (list)")


def _info(commands: Commands) -> None:
    command = command_for(
        commands,
        "info",
        "files:info",
        "Print versions, paths, and what is supported.",
        "  pacskit info\n  pacskit info --json\n  pacskit info --conformance > conformance.md",
    )
    add_json(command, "an object")
    command.add_argument(
        "--conformance", action="store_true", help="the conformance statement of the archive, as Markdown"
    )
