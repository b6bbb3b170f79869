"""What the command line looks like. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from pacskit._version import __version__

__all__ = ["build_parser"]

_EXIT = """\
exit codes: 0 done; 1 the peer refused or failed, or only part of it was done; 2 the command line is wrong;
3 no connection or association; 4 a file or its data is wrong
"""
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="pacskit",
        description="A PACS: an archive to run, and the tools to talk to others.",
        epilog=_EXIT + "peers are addressed as AE@host:port (port 104 if left out)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pacskit {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_serve, _echo, _store, _find, _move, _get, _dump, _scan, _extract, _import_image, _codecs, _info):
        add(commands)
    return parser


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _command(commands: Commands, name: str, run: str, summary: str, examples: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary[0].lower() + summary[1:].rstrip("."),
        description=summary,
        epilog=f"examples:\n{examples}\n\n{_EXIT}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(run=run)
    return made


def _add_json(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--json", action="store_true", help=f"print {what}")


def _add_peer(command: argparse.ArgumentParser) -> None:
    command.add_argument("address", metavar="AE@HOST:PORT", help="the peer")
    command.add_argument("--calling", default="PACSKIT", metavar="AE", help="our AE title (default: %(default)s)")
    command.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds to wait for an answer")
    command.add_argument("--explain", action="store_true", help="print what was negotiated to standard error")
    command.add_argument("-v", "--verbose", action="store_true", help="log to standard error")


def _add_level(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--level", type=str.upper, choices=LEVELS, default="STUDY", help="query/retrieve level (default: %(default)s)"
    )
    command.add_argument(
        "--model", choices=("study", "patient", "patient-study-only"), default="study", help="information model"
    )


def _serve(commands: Commands) -> None:
    command = _command(
        commands,
        "serve",
        "serve:serve",
        "Run an archive: C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET over a directory.",
        "  pacskit serve --dir ./pacs-data --ae PACSKIT --port 11112\n"
        "  pacskit serve --dir /srv/pacs --host 0.0.0.0 --node WS1@10.0.0.7:104 --node WS2@10.0.0.8:104\n"
        "  pacskit serve --dir /srv/pacs --config pacs.toml",
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
    command.add_argument("--durable", action="store_true", help="an acknowledged object survives a power cut")
    command.add_argument("--accept-unknown", action="store_true", help="take private storage SOP classes too")
    command.add_argument("--max-associations", type=int, metavar="N", help="(default: 100)")
    command.add_argument("--config", metavar="FILE", help="settings in TOML; options win over it")
    command.add_argument("-v", "--verbose", action="store_true", help="log to standard error")


def _echo(commands: Commands) -> None:
    command = _command(
        commands,
        "echo",
        "scu:echo",
        "Ask a peer whether it is there (C-ECHO).",
        "  pacskit echo PACS@10.0.0.5:104\n  pacskit echo PACSKIT@localhost:11112 --repeat 100 --json",
    )
    _add_peer(command)
    command.add_argument("--repeat", type=int, default=1, metavar="N", help="how often, on one association")
    _add_json(command, "an object with status and milliseconds")


def _store(commands: Commands) -> None:
    command = _command(
        commands,
        "store",
        "scu:store",
        "Send files to a peer (C-STORE); directories are searched for DICOM files.",
        "  pacskit store PACS@10.0.0.5:104 image.dcm\n  pacskit store PACSKIT@localhost:11112 study/ --json",
    )
    _add_peer(command)
    command.add_argument("files", nargs="+", metavar="FILE", help="a file or a directory")
    _add_json(command, "a line of JSON for each file")


def _find(commands: Commands) -> None:
    command = _command(
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
    _add_json(command, "a line of DICOM JSON (PS3.18 F) for each answer")


def _move(commands: Commands) -> None:
    command = _command(
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
    _add_json(command, "a line of JSON with the final counts")


def _get(commands: Commands) -> None:
    command = _command(
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
    _add_json(command, "a line of JSON for each file, and one with the final counts")


def _dump(commands: Commands) -> None:
    command = _command(
        commands,
        "dump",
        "files:dump",
        "Print what is in a DICOM file.",
        "  pacskit dump image.dcm\n  pacskit dump image.dcm --json | jq '.\"00100010\"'",
    )
    command.add_argument("file", metavar="FILE")
    command.add_argument("--force", action="store_true", help="read files without preamble or meta too")
    _add_json(command, "DICOM JSON (PS3.18 F); values that are long and binary as their place in the file")


def _scan(commands: Commands) -> None:
    command = _command(
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


def _extract(commands: Commands) -> None:
    command = _command(
        commands,
        "extract",
        "extract:extract",
        "Write frames as pictures, and documents and videos as the files they are.",
        "  pacskit extract ct.dcm --into out\n"
        "  pacskit extract study/ --into out --format jpeg --window 40,400 --workers 4\n"
        "  pacskit extract us.dcm --into out --raw --format tiff --frames 1-10,20-\n"
        "  pacskit extract cine.dcm --into out --format mp4\n"
        "  pacskit extract report.dcm --into out --name '{PatientID}/{Modality}-{InstanceNumber}'",
    )
    command.add_argument("files", nargs="+", metavar="PATH", help="a file or a folder")
    command.add_argument("--into", required=True, metavar="FOLDER", help="where to; made if missing")
    command.add_argument(
        "--format",
        choices=("png", "jpeg", "tiff", "bmp", "npy", "gif", "mp4"),
        default="png",
        help="of frames (default: %(default)s); mp4 needs pacskit[video]",
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--rendered", action="store_true", help="as a screen shows them (the default)")
    form.add_argument("--raw", action="store_true", help="the stored values")
    command.add_argument(
        "--window", default="auto", metavar="W", help="auto, full, minmax, CENTER,WIDTH, or which of the file's, from 1"
    )
    command.add_argument("--bits", type=int, choices=(8, 16), default=8, help="of rendered gray (default: %(default)s)")
    command.add_argument("--no-overlays", action="store_true", help="leave overlays out of what is rendered")
    command.add_argument("--frames", metavar="RANGES", help="from 1, as 1-5,8,20- (default: all)")
    command.add_argument("--decode-video", action="store_true", help="frames of videos instead of the video itself")
    command.add_argument(
        "--name", metavar="PATTERN", help="of files, with {frame} and {Keyword} (default: as the input)"
    )
    command.add_argument("--quality", type=int, default=90, metavar="N", help="of JPEG and MP4 (default: %(default)s)")
    command.add_argument("--rate", type=float, metavar="HZ", help="frames a second of GIF and MP4")
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    command.add_argument("--workers", type=int, metavar="N", help="threads (default: one for each processor)")
    command.add_argument("--force", action="store_true", help="read files without preamble or meta too")
    _add_json(command, "a line of JSON for each file")


def _import_image(commands: Commands) -> None:
    command = _command(
        commands,
        "import-image",
        "import_image:import_image",
        "Make DICOM objects of pictures, documents, models and videos.",
        "  pacskit import-image photo.jpg --output photo.dcm --class vl-photographic -k PatientID=42\n"
        "  pacskit import-image scans/*.png --into out --like ct.dcm -k SeriesDescription=Scans\n"
        "  pacskit import-image page1.png page2.png --output pages.dcm --multi-frame\n"
        "  pacskit import-image report.pdf --into out --like ct.dcm --title Report\n"
        "  pacskit import-image film.mp4 --output film.dcm --code 'AnatomicRegionSequence=SCT,69536005,Head'",
    )
    command.add_argument("files", nargs="+", metavar="PATH", help="a file, or a folder of them")
    command.add_argument("--into", metavar="FOLDER", help="where to, under the instance's UID; made if missing")
    command.add_argument("--output", metavar="FILE", help="where to, for one object")
    command.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    command.add_argument(
        "-k", "--keyword", dest="keywords", action="append", default=[], metavar="KEYWORD=VALUE", help="an attribute"
    )
    command.add_argument(
        "--code", dest="codes", action="append", default=[], metavar="KEYWORD=SCHEME,VALUE,MEANING", help="a coded one"
    )
    command.add_argument("--like", metavar="FILE", help="whose patient and study it is")
    command.add_argument(
        "--same",
        choices=("patient", "study", "series"),
        default="study",
        help="what --like gives (default: %(default)s)",
    )
    command.add_argument("--template", metavar="FILE", help="all attributes that fit the new object")
    command.add_argument("--class", dest="sop_class", metavar="NAME", help="as vl-photographic, or a SOP Class UID")
    command.add_argument("--multi-frame", action="store_true", help="join all pictures in one object")
    command.add_argument("--frame-time", type=float, metavar="MS", help="between frames")
    command.add_argument("--title", help="of a document")
    command.add_argument("--concept", metavar="SCHEME,VALUE,MEANING", help="the coded title of a document")
    command.add_argument("--units", choices=("um", "mm", "cm", "m"), help="what a coordinate of a model means")
    command.add_argument(
        "--orientation", choices=("apply", "refuse", "ignore"), default="apply", help="of EXIF (default: %(default)s)"
    )
    command.add_argument(
        "--alpha", choices=("refuse", "blend", "drop"), default="refuse", help="transparency (default: %(default)s)"
    )
    command.add_argument("--background", default="0,0,0", metavar="R,G,B", help="to blend with (default: %(default)s)")
    command.add_argument("--decode", action="store_true", help="do not keep JPEG and other code streams as they are")
    _add_json(command, "a line of JSON for each object")


def _codecs(commands: Commands) -> None:
    command = _command(
        commands,
        "codecs",
        "codecs:codecs",
        "Print which transfer syntaxes are decoded and encoded, and by what.",
        "  pacskit codecs\n  pacskit codecs --json | jq 'select(.version == null)'",
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a line of JSON for each syntax, direction, back end")
    form.add_argument("--markdown", action="store_true", help="print which pixels each syntax holds, as Markdown")


def _info(commands: Commands) -> None:
    command = _command(
        commands,
        "info",
        "files:info",
        "Print versions, paths, and what is supported.",
        "  pacskit info\n  pacskit info --json\n  pacskit info --conformance > conformance.md",
    )
    _add_json(command, "an object")
    command.add_argument(
        "--conformance", action="store_true", help="the conformance statement of the archive, as Markdown"
    )
