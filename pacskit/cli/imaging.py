"""The command lines that convert, take apart and make images. Nothing heavy is imported here."""

from __future__ import annotations

import argparse

from pacskit.cli.arguments import Commands, add_json, command_for

__all__ = ["add_convert", "add_extract", "add_import_image"]


def add_convert(commands: Commands) -> None:
    """Add ``pacskit convert``."""
    command = command_for(
        commands,
        "convert",
        "convert:convert",
        "Convert files to another transfer syntax, pixels decoded and encoded where they must be.",
        "  pacskit convert study/ --to jpeg-ls --into small --verify\n"
        "  pacskit convert image.dcm --to jpeg --quality 85 --into lossy\n"
        "  pacskit convert archive/ --to explicit --in-place --json",
    )
    command.add_argument("files", nargs="*", metavar="PATH", help="a file or a folder")
    command.add_argument("--to", metavar="SYNTAX", help="a name that --list prints, or a UID")
    command.add_argument("--into", metavar="DIR", help="the folder for what is made, laid out like the one given")
    command.add_argument("--in-place", action="store_true", help="replace the files")
    command.add_argument("--force", action="store_true", help="replace files that are in the folder")
    command.add_argument("--verify", action="store_true", help="compare the pixels before a file is put in its place")
    command.add_argument("--dry-run", action="store_true", help="only say what would be done")
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each processor)")
    command.add_argument("--threads", type=int, default=1, metavar="N", help="frames of a file at a time")
    command.add_argument(
        "--new-uid", choices=("lossy", "always", "never"), default="lossy", help="when there is a new SOP Instance UID"
    )
    _add_encoding(command)
    command.add_argument("--list", action="store_true", help="print the names of transfer syntaxes")
    add_json(command, "a line of JSON for each file")


def _add_encoding(command: argparse.ArgumentParser) -> None:
    command.add_argument("--quality", type=int, metavar="N", help="JPEG: 1 to 100")
    command.add_argument("--subsampling", choices=("444", "422", "420"), help="JPEG: chrominance")
    command.add_argument("--near", type=int, metavar="N", help="JPEG-LS: the largest difference of a sample")
    command.add_argument("--ratio", type=float, metavar="X", help="JPEG 2000: so many times smaller")
    command.add_argument("--psnr", type=float, metavar="DB", help="JPEG 2000: peak signal to noise ratio")
    command.add_argument("--distance", type=float, metavar="X", help="JPEG XL: Butteraugli distance")
    command.add_argument("--predictor", type=int, metavar="N", help="JPEG Lossless: 1 to 7")
    command.add_argument("--effort", type=int, metavar="N", help="JPEG XL and Deflate: 1 (fast) to 9")


def add_extract(commands: Commands) -> None:
    """Add ``pacskit extract``."""
    command = command_for(
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
    command.add_argument("--srgb", action="store_true", help="rendered colours as sRGB, by the file's ICC profile")
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
    add_json(command, "a line of JSON for each file")


def add_import_image(commands: Commands) -> None:
    """Add ``pacskit import-image``."""
    command = command_for(
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
    add_json(command, "a line of JSON for each object")
