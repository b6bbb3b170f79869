"""The parsers of ``pacskit verify | rebuild | backup | restore | import``. Nothing heavy is imported here."""

from __future__ import annotations

import argparse

from pacskit.cli.arguments import Commands, add_json, command_for

__all__ = ["add_backup", "add_import", "add_rebuild", "add_restore", "add_verify"]


def _add_archive(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("dir", metavar="DIR", help=what)
    command.add_argument("--config", metavar="FILE", help="the settings of the archive in TOML, as for serve")
    command.add_argument("--index", metavar="URL", help="its index: sqlite:///PATH or postgresql://… (default: in DIR)")
    command.add_argument("--blobs", metavar="URL", help="where its objects are (default: in DIR)")


def _add_workers(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument(
        "--workers", type=int, metavar="N", help=f"threads that {what} (default: one for each processor)"
    )


def _add_work(command: argparse.ArgumentParser, what: str) -> None:
    _add_workers(command, what)
    command.add_argument("--restart", action="store_true", help="begin anew, not where the last run was broken off")


def add_verify(commands: Commands) -> None:
    command = command_for(
        commands,
        "verify",
        "verify:verify",
        "Check an archive: its index against its objects, both ways, and its counters; beside a running server too.",
        "  pacskit verify /srv/pacs\n"
        "  pacskit verify /srv/pacs --rate 20MB --json > report.json\n"
        "  pacskit verify /srv/pacs --quick --repair",
    )
    _add_archive(command, "the archive's directory")
    _add_work(command, "read")
    command.add_argument("--quick", action="store_true", help="look at the sizes of objects only, and read none")
    command.add_argument("--rate", metavar="SIZE", help="read so much a second at most, such as 20MB")
    command.add_argument(
        "--repair",
        action="store_true",
        help="take objects without a row into the index, and count again; nothing is ever removed",
    )
    add_json(command, "a line of JSON for each problem, and one for the whole at the end")


def add_rebuild(commands: Commands) -> None:
    command = command_for(
        commands,
        "rebuild",
        "rebuild:rebuild",
        "Make the index of an archive anew from its objects; no server may run on it meanwhile.",
        "  pacskit rebuild /srv/pacs\n  pacskit rebuild /srv/pacs --index postgresql://pacskit@db.example/pacs",
    )
    command.add_argument("dir", metavar="DIR", help="the archive's directory")
    command.add_argument("--index", metavar="URL", help="an empty database for it (default: the file in DIR anew)")
    command.add_argument("--blobs", metavar="URL", help="where the objects are (default: in DIR)")
    command.add_argument("--config", metavar="FILE", help="the settings of the archive in TOML, as for serve")
    _add_work(command, "read")
    command.add_argument("--no-digest", action="store_true", help="make no digests where the old index has none")
    add_json(command, "a line of JSON for each object that was left out, and one for the whole at the end")


def add_backup(commands: Commands) -> None:
    command = command_for(
        commands,
        "backup",
        "backup:backup",
        "Copy an archive, while servers use it; what an earlier backup in the same place has is not copied again.",
        "  pacskit backup /srv/pacs /mnt/backup\n"
        "  pacskit backup /srv/pacs s3://hospital-backup/pacs --rate 50MB\n"
        "  pacskit backup --list /mnt/backup",
    )
    _add_archive(command, "the archive's directory")
    command.add_argument("target", nargs="?", metavar="TARGET", help="a directory, or s3://, az:// or gs://")
    _add_workers(command, "copy")
    command.add_argument("--copy", action="store_true", help="copy, where links to the same file system would do")
    command.add_argument("--rate", metavar="SIZE", help="read so much a second at most, such as 50MB")
    command.add_argument("--list", action="store_true", help="print the backups that are in DIR, and make none")
    add_json(command, "a line of JSON for each problem, and one for the whole at the end")


def add_restore(commands: Commands) -> None:
    command = command_for(
        commands,
        "restore",
        "backup:restore",
        "Make an archive from a backup, each object held to its digest on the way.",
        "  pacskit restore /mnt/backup /srv/pacs\n"
        "  pacskit restore s3://hospital-backup/pacs /srv/pacs --name 20260101T020000Z-1f3a",
    )
    command.add_argument("source", metavar="SOURCE", help="what was the target of the backup")
    command.add_argument("dir", metavar="DIR", help="the archive's directory, new or empty")
    command.add_argument("--name", metavar="NAME", help="which backup (default: the latest)")
    command.add_argument("--index", metavar="URL", help="an empty database for the index (default: a file in DIR)")
    command.add_argument("--blobs", metavar="URL", help="a blob store for the objects (default: files in DIR)")
    _add_workers(command, "copy")
    add_json(command, "a line of JSON for each problem, and one for the whole at the end")


def add_import(commands: Commands) -> None:
    command = command_for(
        commands,
        "import",
        "importing:import_folder",
        "Take the DICOM files of a folder, or of an Orthanc storage folder, into an archive.",
        "  pacskit import /data/studies --into /srv/pacs\n"
        "  pacskit import /mnt/nas/studies --into /srv/pacs --in-place\n"
        "  pacskit import /var/lib/orthanc/db-v6 --into /srv/pacs --link --json > report.json",
    )
    command.add_argument("folder", metavar="FOLDER", help="where the files are")
    command.add_argument("--into", dest="dir", required=True, metavar="DIR", help="the archive; made if missing")
    command.add_argument("--config", metavar="FILE", help="the settings of the archive in TOML, as for serve")
    command.add_argument("--index", metavar="URL", help="its index: sqlite:///PATH or postgresql://… (default: in DIR)")
    command.add_argument("--blobs", metavar="URL", help="where its objects are (default: in DIR)")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--copy", dest="how", action="store_const", const="copy", default="copy", help="(the default)")
    how.add_argument(
        "--link", dest="how", action="store_const", const="link", help="hard links: no copies, on one file system"
    )
    how.add_argument(
        "--in-place", dest="how", action="store_const", const="in-place", help="symbolic links: files stay the folder's"
    )
    command.add_argument(
        "--duplicates", choices=("ignore", "reject", "replace"), help="(default: as the archive's settings say)"
    )
    command.add_argument("--digest", action="store_true", help="keep the SHA-256 of data sets, for verify")
    _add_work(command, "read")
    command.add_argument("--rate", metavar="SIZE", help="read so much a second at most, such as 50MB")
    add_json(command, "a line of JSON for each file that was left out, and one for the whole at the end")
