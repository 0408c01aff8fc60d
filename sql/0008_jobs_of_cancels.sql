-- Jobs that cancel what matches, and jobs that take back what such a job cancelled.

-- of_job: restore: the job whose cancels are taken back
ALTER TABLE redrive_job
  ADD COLUMN act ENUM('redrive','cancel','restore') NOT NULL DEFAULT 'redrive' AFTER kind,
  ADD COLUMN of_job BIGINT UNSIGNED NULL AFTER act;

-- acted: this job cancelled the row, which has had this version since: who restores it and cancels it again is not
-- undone with the job. Such rows are kept as long as their job. NULL: it did not.
ALTER TABLE redrive_job_row
  ADD COLUMN acted INT UNSIGNED NULL;
