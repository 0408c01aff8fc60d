-- Redrive jobs: a frozen selection of dead rows that is sent again at a bounded rate, and watched.

CREATE TABLE redrive_job (
  id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  kind         ENUM('operator','auto') NOT NULL,
  state        ENUM('running','paused','stopped','done') NOT NULL DEFAULT 'running',
  version      INT UNSIGNED NOT NULL DEFAULT 1,       -- +1 at every move of the state: compare-and-set
  created_by   VARCHAR(64) NOT NULL,
  role         VARCHAR(16) CHARACTER SET ascii NOT NULL,
  reason       VARCHAR(500) NULL,
  -- which rows: dead ones that have not changed since frozen_at, and
  channel      VARCHAR(16) CHARACTER SET ascii NULL,  -- NULL: any, as with the next four
  class        VARCHAR(24) CHARACTER SET ascii NULL,
  text         VARCHAR(320) COLLATE utf8mb4_nopad_bin NULL, -- as in the list's search; its rows are in redrive_job_row
  since        DATETIME(3) NULL,                      -- dead_at
  until        DATETIME(3) NULL,
  listed       BOOLEAN NOT NULL,                      -- the rows are those of redrive_job_row
  auto_max     SMALLINT UNSIGNED NULL,                -- auto: rows that usher has redriven less often than this
  frozen_at    DATETIME(3) NOT NULL,
  total        INT UNSIGNED NOT NULL,
  total_capped BOOLEAN NOT NULL,                      -- there are more than total
  -- how
  rate         DOUBLE NOT NULL,                       -- rows a second at most
  canary       INT UNSIGNED NOT NULL,                 -- rows sent first, whose outcome is awaited
  stop_on      INT UNSIGNED NOT NULL,                 -- stops by itself when so many failed again; 0: never
  -- how far: it goes on from here after a crash
  cursor_at    DATETIME(3) NULL,                      -- dead_at of the last row looked at; NULL with a list
  cursor_id    BIGINT UNSIGNED NOT NULL DEFAULT 0,
  sent         INT UNSIGNED NOT NULL DEFAULT 0,
  skipped      INT UNSIGNED NOT NULL DEFAULT 0,       -- changed since frozen_at: left alone
  taken        INT UNSIGNED NOT NULL DEFAULT 0,       -- failed again, then redriven by another job or an operator
  -- what came of it, as the fleet's leader last counted
  on_the_way   INT UNSIGNED NOT NULL DEFAULT 0,
  failed       INT UNSIGNED NOT NULL DEFAULT 0,
  settled      BOOLEAN NOT NULL DEFAULT FALSE,        -- over, and nothing is on its way any more
  waits        VARCHAR(200) NULL,                     -- running, but waits for this
  why          VARCHAR(500) NULL,                     -- paused or stopped: why
  created_at   DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
  started_at   DATETIME(3) NULL,                      -- first row sent
  ended_at     DATETIME(3) NULL,
  moved_by     VARCHAR(64) NULL,                      -- who paused, resumed, stopped or ended it last
  KEY unsettled (settled, id),                        -- the leader works on these
  KEY automatic (kind, channel, id)                   -- the latest of a channel
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The rows of a job that was given a list.
CREATE TABLE redrive_job_row (
  job_id    BIGINT UNSIGNED NOT NULL,
  failed_id BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (job_id, failed_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- job_id: the job that redrove the row last; NULL: none, or an operator did, one row at a time.
-- auto_redrives: by usher itself, since an operator last redrove it.
ALTER TABLE failed_notification
  ADD COLUMN job_id BIGINT UNSIGNED NULL,
  ADD COLUMN auto_redrives SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  ADD KEY of_job (job_id, status),                    -- what came of a job
  -- is there something to redrive by itself?
  ADD KEY automatic (channel, class, status, auto_redrives, dead_at);
