-- What release 0 of the schema (user_version 1) left in a file.
CREATE TABLE "instance" (
   "pk" INTEGER PRIMARY KEY,
   "series" INTEGER NOT NULL REFERENCES "series"("pk"),
   "sop_instance_uid" TEXT NOT NULL DEFAULT '',
   "sop_class_uid" TEXT NOT NULL DEFAULT '',
   "transfer_syntax_uid" TEXT NOT NULL DEFAULT '',
   "instance_number" INTEGER,
   "blob_key" TEXT NOT NULL DEFAULT '',
   "data_offset" INTEGER NOT NULL DEFAULT 0,
   "data_length" INTEGER NOT NULL DEFAULT 0,
   "sha256" BLOB,
   "received" TEXT NOT NULL DEFAULT '',
   "attributes" TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO "instance" VALUES(1,1,'1.2.1.1.1','1.2.840.10008.5.1.4.1.1.2','1.2.840.10008.1.2.1',1,'1.2.1/1.2.1.1/1.2.1.1.1.dcm',312,180,X'7B7FBA5504A4DC0E61B8F9F4C75D412A11FF4CA94073941EAA119393116E43CE','20261122034606.165239','{}');
INSERT INTO "instance" VALUES(2,1,'1.2.1.1.2','1.2.840.10008.5.1.4.1.1.2','1.2.840.10008.1.2.1',2,'1.2.1/1.2.1.1/1.2.1.1.2.dcm',312,112,X'C991D9A2C3CF8C2FFE6EDFCA09E0526B8407C8B13BB7B71BF114B9C67B89F981','20261122034606.173494','{"00280010":["US","512"]}');
INSERT INTO "instance" VALUES(3,2,'1.2.2.1.1','1.2.840.10008.5.1.4.1.1.4','1.2.840.10008.1.2.1',NULL,'1.2.2/1.2.2.1/1.2.2.1.1.dcm',312,234,X'9A0AA85C9A7D32881E194FB9259FFA56155B46169496211E3DE4E8B8BC03D030','20261122034606.179894','{}');
INSERT INTO "instance" VALUES(5,4,'1.2.3.1.1','1.2.840.10008.5.1.4.1.1.2','1.2.840.10008.1.2.1',NULL,'1.2.3/1.2.3.1/1.2.3.1.1.dcm',312,132,X'D8D53C426EC83E995D92CC1900C7249721EC043385185D12086B8E5BC241E01F','20261122034606.185542','{}');
CREATE TABLE "patient" (
   "pk" INTEGER PRIMARY KEY,
   "patient_id" TEXT NOT NULL DEFAULT '',
   "issuer_of_patient_id" TEXT NOT NULL DEFAULT '',
   "anchor" TEXT NOT NULL DEFAULT '',
   "patient_name" TEXT NOT NULL DEFAULT '',
   "patient_name_alphabetic" TEXT NOT NULL DEFAULT '',
   "patient_name_ideographic" TEXT NOT NULL DEFAULT '',
   "patient_name_phonetic" TEXT NOT NULL DEFAULT '',
   "patient_birth_date" TEXT NOT NULL DEFAULT '',
   "patient_birth_time" TEXT NOT NULL DEFAULT '',
   "patient_birth_time_key" TEXT NOT NULL DEFAULT '',
   "patient_sex" TEXT NOT NULL DEFAULT '',
   "study_count" INTEGER NOT NULL DEFAULT 0,
   "series_count" INTEGER NOT NULL DEFAULT 0,
   "instance_count" INTEGER NOT NULL DEFAULT 0,
   "attributes" TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO "patient" VALUES(1,'p1','','','Doe^Jane','doe^jane','','','','','','',1,1,2,'{}');
INSERT INTO "patient" VALUES(2,'p2','','','Yamada^Tarou=山田^太郎=やまだ^たろう','yamada^tarou','山田^太郎','やまだ^たろう','','','','',1,1,1,'{}');
INSERT INTO "patient" VALUES(3,'','','1.2.3','Nobody^Knows','nobody^knows','','','','','','',1,1,1,'{}');
CREATE TABLE "retired" (
   "blob_key" TEXT PRIMARY KEY,
   "session" TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO "retired" VALUES('1.2.2/1.2.2.2/1.2.2.2.1.dcm','gone');
CREATE TABLE "series" (
   "pk" INTEGER PRIMARY KEY,
   "study" INTEGER NOT NULL REFERENCES "study"("pk"),
   "series_instance_uid" TEXT NOT NULL DEFAULT '',
   "modality" TEXT NOT NULL DEFAULT '',
   "series_number" INTEGER,
   "series_description" TEXT NOT NULL DEFAULT '',
   "body_part_examined" TEXT NOT NULL DEFAULT '',
   "series_date" TEXT NOT NULL DEFAULT '',
   "series_time" TEXT NOT NULL DEFAULT '',
   "series_time_key" TEXT NOT NULL DEFAULT '',
   "performed_procedure_step_start_date" TEXT NOT NULL DEFAULT '',
   "performed_procedure_step_start_time" TEXT NOT NULL DEFAULT '',
   "performed_procedure_step_start_time_key" TEXT NOT NULL DEFAULT '',
   "instance_count" INTEGER NOT NULL DEFAULT 0,
   "attributes" TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO "series" VALUES(1,1,'1.2.1.1','CT',NULL,'','CHEST','','','','','','',2,'{"00081010":["SH","S1"]}');
INSERT INTO "series" VALUES(2,2,'1.2.2.1','MR',NULL,'','','','','','','','',1,'{}');
INSERT INTO "series" VALUES(4,3,'1.2.3.1','',NULL,'','','','','','','','',1,'{}');
CREATE TABLE "study" (
   "pk" INTEGER PRIMARY KEY,
   "patient" INTEGER NOT NULL REFERENCES "patient"("pk"),
   "study_instance_uid" TEXT NOT NULL DEFAULT '',
   "study_date" TEXT NOT NULL DEFAULT '',
   "study_time" TEXT NOT NULL DEFAULT '',
   "study_time_key" TEXT NOT NULL DEFAULT '',
   "accession_number" TEXT NOT NULL DEFAULT '',
   "study_id" TEXT NOT NULL DEFAULT '',
   "study_description" TEXT NOT NULL DEFAULT '',
   "referring_physician_name" TEXT NOT NULL DEFAULT '',
   "referring_physician_name_alphabetic" TEXT NOT NULL DEFAULT '',
   "referring_physician_name_ideographic" TEXT NOT NULL DEFAULT '',
   "referring_physician_name_phonetic" TEXT NOT NULL DEFAULT '',
   "modalities_in_study" TEXT NOT NULL DEFAULT '',
   "sop_classes_in_study" TEXT NOT NULL DEFAULT '',
   "series_count" INTEGER NOT NULL DEFAULT 0,
   "instance_count" INTEGER NOT NULL DEFAULT 0,
   "updated" TEXT NOT NULL DEFAULT '',
   "attributes" TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO "study" VALUES(1,1,'1.2.1','20200131','2330','233000.000000','','','','','','','','CT','1.2.840.10008.5.1.4.1.1.2',1,2,'20261122034606.173553','{}');
INSERT INTO "study" VALUES(2,2,'1.2.2','20200201','','','','','it''s\ 100 %','Müller^Jürgen','muller^jurgen','','','MR','1.2.840.10008.5.1.4.1.1.4',1,1,'20261122034606.181852','{}');
INSERT INTO "study" VALUES(3,3,'1.2.3','','','','','','','','','','','','1.2.840.10008.5.1.4.1.1.2',1,1,'20261122034606.185850','{"00081032":["SQ",{"00080100":["SH","c"]}]}');
CREATE TABLE "study_sop_class" (
   "study" INTEGER REFERENCES "study"("pk"),
   "sop_class_uid" TEXT,
   PRIMARY KEY ("study", "sop_class_uid")
) STRICT;
INSERT INTO "study_sop_class" VALUES(1,'1.2.840.10008.5.1.4.1.1.2');
INSERT INTO "study_sop_class" VALUES(2,'1.2.840.10008.5.1.4.1.1.4');
INSERT INTO "study_sop_class" VALUES(3,'1.2.840.10008.5.1.4.1.1.2');
CREATE UNIQUE INDEX "patient_identity"
    ON "patient" ("patient_id", "issuer_of_patient_id", "anchor");
CREATE INDEX "patient_birth_date"
    ON "patient" ("patient_birth_date");
CREATE UNIQUE INDEX "study_uid"
    ON "study" ("study_instance_uid");
CREATE INDEX "study_patient"
    ON "study" ("patient");
CREATE INDEX "study_moment"
    ON "study" ("study_date", "study_time_key");
CREATE INDEX "study_by_study_time_key"
    ON "study" ("study_time_key");
CREATE INDEX "study_by_accession_number"
    ON "study" ("accession_number");
CREATE INDEX "study_by_study_id"
    ON "study" ("study_id");
CREATE INDEX "study_by_study_description"
    ON "study" ("study_description");
CREATE INDEX "patient_name_alphabetic"
    ON "patient" ("patient_name_alphabetic");
CREATE INDEX "patient_name_ideographic"
    ON "patient" ("patient_name_ideographic");
CREATE INDEX "patient_name_phonetic"
    ON "patient" ("patient_name_phonetic");
CREATE INDEX "referring_physician_name_alphabetic"
    ON "study" ("referring_physician_name_alphabetic");
CREATE INDEX "referring_physician_name_ideographic"
    ON "study" ("referring_physician_name_ideographic");
CREATE INDEX "referring_physician_name_phonetic"
    ON "study" ("referring_physician_name_phonetic");
CREATE UNIQUE INDEX "series_identity"
    ON "series" ("study", "series_instance_uid");
CREATE INDEX "series_uid"
    ON "series" ("series_instance_uid");
CREATE INDEX "series_modality"
    ON "series" ("study", "modality");
CREATE UNIQUE INDEX "instance_uid"
    ON "instance" ("sop_instance_uid");
CREATE UNIQUE INDEX "instance_blob"
    ON "instance" ("blob_key");
CREATE INDEX "instance_series"
    ON "instance" ("series");
CREATE INDEX "study_by_sop_class"
    ON "study_sop_class" ("sop_class_uid");
PRAGMA user_version = 1;
