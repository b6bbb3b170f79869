"""Rows as the releases of each schema wrote them, in the SQL of their time; those of the first are in schema_v1.sql."""

from __future__ import annotations

from typing import Final

__all__ = ["ROWS"]

FRAMES: Final = "706B6631789C6362800046289D02A5B9A0341394E680D23C687C16280D001BE80094"

# by the version whose tables and columns they need; a version that only adds indexes has none
ROWS: Final[dict[int, tuple[str, ...]]] = {
    2: ("UPDATE state SET value = 7 WHERE name = 'generation'",),
    4: (
        "INSERT INTO tag (number, creator, vr, level, position, last, done, total, ready)"
        " VALUES (528400, '', 'SH', 'SERIES', 4, 4, 3, 3, 1)",
        "INSERT INTO tag_value (tag, value, owner) VALUES (1, 'S1', 1)",
        "INSERT INTO tag_todo (instance) VALUES (3)",
    ),
    5: (
        "INSERT INTO record (kind, key, version, updated, body)"
        " VALUES ('worklist', 'step', 3, '20260101120000.000000', '{\"step_id\": \"step\", \"patient_id\": \"p1\"}')",
        "INSERT INTO record_value (kind, name, value, key) VALUES ('worklist', 'patient_id', 'p1', 'step')",
    ),
    6: (
        "INSERT INTO change (last, size, moment, body) VALUES (3, 3, '20260101120000.000000',"
        ' \'[["study.new", "p1", "", "1.2.1", "", [], {}],'
        ' ["instance.stored", "p1", "", "1.2.1", "1.2.1.1", ["1.2.1.1.1", "1.2.1.1.2"], {}]]\')',
        "UPDATE state SET value = 3 WHERE name = 'change'",
    ),
    7: (
        "INSERT INTO removed (kind, patient_id, study_instance_uid, series_instance_uid, sop_instance_uid,"
        " sop_class_uid, transfer_syntax_uid, instance_number, blob_key, data_offset, data_length, sha256, received,"
        " source, moment, due, who, reason, attributes, frames) VALUES ('deleted', 'p1', '1.2.1', '1.2.1.1',"
        " '1.2.1.1.3', '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', 3, '1.2.1/1.2.1.1/1.2.1.1.3.dcm', 312, 112,"
        " X'0102', '20260101120000.000000', 'MOD', '20260102120000.000000', '', 'me', 'sent twice', '{}',"
        f" X'{FRAMES}')",
        "INSERT INTO rejection (sop_instance_uid, note, code, moment)"
        " VALUES ('1.2.9.9.9', '1.2.9.9.1', '113037', '20260101120000.000000')",
        "INSERT INTO correction (kind, who, reason, moment, undone, body)"
        " VALUES ('move', 'me', 'wrong one', '20260101120000.000000', '', '{\"studies\": [\"1.2.7\"]}')",
        "INSERT INTO moved_study (study_instance_uid, correction, patient) VALUES ('1.2.7', 1,"
        ' \'{"patient_id": "p2", "issuer_of_patient_id": "", "patient_name": "", "patient_name_alphabetic": "",'
        ' "patient_name_ideographic": "", "patient_name_phonetic": "", "patient_birth_date": "",'
        ' "patient_birth_time": "", "patient_birth_time_key": "", "patient_sex": "", "attributes": "{}"}\')',
        "INSERT INTO merged_patient (identity, correction, patient) VALUES ('00', 1, '{}')",
        "INSERT INTO derivation (sop_instance_uid, parent_uid, kind, moment, who, parameters)"
        " VALUES ('1.2.1.1.2', '1.2.1.1.1', 'transcoded', '20260101120000.000000', 'me', '{}')",
        "UPDATE study SET correction = 1 WHERE pk = 2",
        "UPDATE instance SET source = 'MOD' WHERE pk = 1",
    ),
    8: (
        "INSERT INTO job (kind, payload, state, priority, run_at, dedup_key, max_attempts, created)"
        " VALUES ('send', '{\"study\": \"1.2.1\"}', 'queued', 1, 1767268800000, 'once', 5, 1767268800000)",
        "INSERT INTO job_pause (kind) VALUES ('slow')",
        "INSERT INTO job_schedule (name, timing, zone, kind, payload, priority, max_attempts, next_run)"
        " VALUES ('nightly', '0 3 * * *', 'UTC', 'sweep', '{}', 1, 3, 1767322800000)",
    ),
    9: (
        "INSERT INTO tier_home (name) VALUES ('hot')",
        "INSERT INTO tier_blob (blob_key, tier, place) VALUES ('1.2.1/1.2.1.1/1.2.1.1.1.dcm', 'cold', 'a/b')",
        "INSERT INTO tier_trash (tier, place, blob_key, kind, mover, noted) VALUES ('hot',"
        " '1.2.1/1.2.1.1/1.2.1.1.1.dcm', '1.2.1/1.2.1.1/1.2.1.1.1.dcm', 'old', 'm', '20260101120000.000000')",
    ),
    10: (f"INSERT INTO frame_table (instance, blob_key, data) VALUES (1, '1.2.1/1.2.1.1/1.2.1.1.1.dcm', X'{FRAMES}')",),
}
