"""The SQL that writes rows. Every statement is a constant."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = [
    "ADD_TO_PATIENT",
    "ADD_TO_SERIES",
    "ADD_TO_STUDY",
    "COUNTS",
    "FILL_PATIENT",
    "FILL_STUDY",
    "INSERT_INSTANCE",
    "INSERT_PATIENT",
    "INSERT_SERIES",
    "INSERT_STUDY",
    "PRUNE",
    "RECOUNT",
    "RETIRE",
    "SELECT_INSTANCE",
    "Fill",
]

INSERT_PATIENT: Final = """
INSERT INTO patient (patient_id, issuer_of_patient_id, anchor, patient_name, patient_name_alphabetic,
    patient_name_ideographic, patient_name_phonetic, patient_birth_date, patient_birth_time, patient_birth_time_key,
    patient_sex, attributes)
VALUES (:patient_id, :issuer_of_patient_id, :anchor, :patient_name, :patient_name_alphabetic,
    :patient_name_ideographic, :patient_name_phonetic, :patient_birth_date, :patient_birth_time,
    :patient_birth_time_key, :patient_sex, :attributes)
ON CONFLICT DO NOTHING RETURNING pk
"""

INSERT_STUDY: Final = """
INSERT INTO study (patient, study_instance_uid, study_date, study_time, study_time_key, accession_number, study_id,
    study_description, referring_physician_name, referring_physician_name_alphabetic,
    referring_physician_name_ideographic, referring_physician_name_phonetic, updated, attributes)
VALUES (:patient, :study_instance_uid, :study_date, :study_time, :study_time_key, :accession_number, :study_id,
    :study_description, :referring_physician_name, :referring_physician_name_alphabetic,
    :referring_physician_name_ideographic, :referring_physician_name_phonetic, :updated, :attributes)
ON CONFLICT DO NOTHING RETURNING pk
"""

INSERT_SERIES: Final = """
INSERT INTO series (study, series_instance_uid, modality, series_number, series_description, body_part_examined,
    series_date, series_time, series_time_key, performed_procedure_step_start_date,
    performed_procedure_step_start_time, performed_procedure_step_start_time_key, attributes)
VALUES (:study, :series_instance_uid, :modality, :series_number, :series_description, :body_part_examined,
    :series_date, :series_time, :series_time_key, :performed_procedure_step_start_date,
    :performed_procedure_step_start_time, :performed_procedure_step_start_time_key, :attributes)
ON CONFLICT DO NOTHING RETURNING pk
"""

INSERT_INSTANCE: Final = """
INSERT INTO instance (series, sop_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number, blob_key,
    data_offset, data_length, sha256, received, attributes, source)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sop_instance_uid) DO NOTHING
"""

SELECT_INSTANCE: Final = """
SELECT p.patient_id, s.study_instance_uid, e.series_instance_uid, i.sop_instance_uid, i.sop_class_uid,
    i.transfer_syntax_uid, i.blob_key, i.data_offset, i.data_length, i.sha256, s.correction
FROM instance i JOIN series e ON e.pk = i.series JOIN study s ON s.pk = e.study JOIN patient p ON p.pk = s.patient
"""

ADD_TO_SERIES: Final = "UPDATE series SET instance_count = instance_count + ? WHERE pk = ?"
ADD_TO_STUDY: Final = (
    "UPDATE study SET series_count = series_count + ?, instance_count = instance_count + ?, updated = ? WHERE pk = ?"
)
ADD_TO_PATIENT: Final = (
    "UPDATE patient SET study_count = study_count + ?, series_count = series_count + ?,"
    " instance_count = instance_count + ? WHERE pk = ?"
)
RETIRE: Final = (
    "INSERT INTO retired (blob_key, session, moment) VALUES (?, ?, ?) ON CONFLICT (blob_key) DO UPDATE SET session ="
    " excluded.session, moment = excluded.moment"
)

COUNTS: Final = """
SELECT (SELECT count(*) FROM patient), (SELECT count(*) FROM study), (SELECT count(*) FROM series),
    (SELECT count(*) FROM instance)
"""


PRUNE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "series": """
            DELETE FROM series WHERE pk = ? AND instance_count = 0 RETURNING series_instance_uid,
                (SELECT study_instance_uid FROM study WHERE study.pk = series.study)
        """,
        "study": """
            DELETE FROM study WHERE pk = ? AND instance_count = 0 RETURNING study_instance_uid,
                (SELECT patient_id FROM patient WHERE patient.pk = study.patient),
                (SELECT issuer_of_patient_id FROM patient WHERE patient.pk = study.patient)
        """,
        "patient": "DELETE FROM patient WHERE pk = ? AND instance_count = 0 RETURNING patient_id, issuer_of_patient_id",
    }
)


class Fill(NamedTuple):
    """How a row's empty columns are filled in."""

    columns: tuple[str, ...]
    select: str
    update: str


FILL_PATIENT: Final = Fill(
    (
        "patient_name",
        "patient_name_alphabetic",
        "patient_name_ideographic",
        "patient_name_phonetic",
        "patient_birth_date",
        "patient_birth_time",
        "patient_birth_time_key",
        "patient_sex",
        "attributes",
    ),
    """
    SELECT patient_name, patient_name_alphabetic, patient_name_ideographic, patient_name_phonetic, patient_birth_date,
        patient_birth_time, patient_birth_time_key, patient_sex, attributes
    FROM patient WHERE pk = ?
    """,
    """
    UPDATE patient SET patient_name = :patient_name, patient_name_alphabetic = :patient_name_alphabetic,
        patient_name_ideographic = :patient_name_ideographic, patient_name_phonetic = :patient_name_phonetic,
        patient_birth_date = :patient_birth_date, patient_birth_time = :patient_birth_time,
        patient_birth_time_key = :patient_birth_time_key, patient_sex = :patient_sex, attributes = :attributes
    WHERE pk = :pk
    """,
)

FILL_STUDY: Final = Fill(
    (
        "study_date",
        "study_time",
        "study_time_key",
        "accession_number",
        "study_id",
        "study_description",
        "referring_physician_name",
        "referring_physician_name_alphabetic",
        "referring_physician_name_ideographic",
        "referring_physician_name_phonetic",
        "attributes",
    ),
    """
    SELECT study_date, study_time, study_time_key, accession_number, study_id, study_description,
        referring_physician_name, referring_physician_name_alphabetic, referring_physician_name_ideographic,
        referring_physician_name_phonetic, attributes
    FROM study WHERE pk = ?
    """,
    """
    UPDATE study SET study_date = :study_date, study_time = :study_time, study_time_key = :study_time_key,
        accession_number = :accession_number, study_id = :study_id, study_description = :study_description,
        referring_physician_name = :referring_physician_name,
        referring_physician_name_alphabetic = :referring_physician_name_alphabetic,
        referring_physician_name_ideographic = :referring_physician_name_ideographic,
        referring_physician_name_phonetic = :referring_physician_name_phonetic, attributes = :attributes
    WHERE pk = :pk
    """,
)

RECOUNT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "series": """
            UPDATE series SET instance_count = (SELECT count(*) FROM instance WHERE series = series.pk) WHERE pk = ?
        """,
        "study": """
            UPDATE study SET series_count = (SELECT count(*) FROM series WHERE study = study.pk),
                instance_count = (SELECT coalesce(sum(instance_count), 0) FROM series WHERE study = study.pk)
            WHERE pk = ?
        """,
        "patient": """
            UPDATE patient SET study_count = (SELECT count(*) FROM study WHERE patient = patient.pk),
                series_count = (SELECT coalesce(sum(series_count), 0) FROM study WHERE patient = patient.pk),
                instance_count = (SELECT coalesce(sum(instance_count), 0) FROM study WHERE patient = patient.pk)
            WHERE pk = ?
        """,
        "modalities": """
            UPDATE study SET modalities_in_study = (
                SELECT coalesce(group_concat(modality, '\\'), '')
                FROM (SELECT DISTINCT modality FROM series x WHERE x.study = study.pk AND modality <> '' ORDER BY
                modality) AS found
            ) WHERE pk = ?
        """,
        "lost sop classes": """
            DELETE FROM study_sop_class WHERE study = ? AND sop_class_uid NOT IN (
                SELECT i.sop_class_uid FROM instance i JOIN series e ON e.pk = i.series
                WHERE e.study = study_sop_class.study
            )
        """,
        "sop classes": """
            UPDATE study SET sop_classes_in_study = (
                SELECT coalesce(group_concat(sop_class_uid, '\\'), '')
                FROM (SELECT sop_class_uid FROM study_sop_class x WHERE x.study = study.pk ORDER BY 1) AS found
            ) WHERE pk = ?
        """,
    }
)
