-- Alarms, and the notices that tell of them. The fleet's leader writes both; an operator acknowledges.
CREATE TABLE alarm (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name       VARCHAR(32) CHARACTER SET ascii NOT NULL,            -- of [alarm.NAME]
  channel    VARCHAR(16) CHARACTER SET ascii NOT NULL DEFAULT '', -- '': of none
  severity   ENUM('warning','critical') NOT NULL,
  state      ENUM('raised','cleared') NOT NULL DEFAULT 'raised',
  standing   BOOLEAN AS (IF(state = 'raised', TRUE, NULL)) PERSISTENT,
  raised_at  DATETIME(3) NOT NULL,
  cleared_at DATETIME(3) NULL,
  value      DOUBLE NOT NULL,                                     -- as it stands, or last stood, in the metric's unit
  text       VARCHAR(300) NOT NULL,
  acked_by   VARCHAR(64) NULL,
  acked_at   DATETIME(3) NULL,
  ack_reason VARCHAR(500) NULL,
  UNIQUE KEY raised_once (name, channel, standing),  -- two leaders for a moment raise one alarm
  KEY list (state, id),                              -- raised ones first, then the newest
  KEY prune (cleared_at)                             -- retention
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row a notice that must go out: it stays until its alarm is forgotten.
CREATE TABLE alarm_notice (
  id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  alarm_id    BIGINT UNSIGNED NOT NULL,
  notify      VARCHAR(32) CHARACTER SET ascii NOT NULL,  -- of [notify.NAME]
  what        ENUM('raised','cleared') NOT NULL,
  created_at  DATETIME(3) NOT NULL,
  next_at     DATETIME(3) NOT NULL,
  attempts    INT UNSIGNED NOT NULL DEFAULT 0,
  last_error  VARCHAR(300) NULL,
  settled_at  DATETIME(3) NULL,                          -- sent, or given up
  sent        BOOLEAN NOT NULL DEFAULT FALSE,
  UNIQUE KEY told_once (alarm_id, what, notify),         -- of an alarm
  KEY unsettled (settled_at, id)                         -- what is still to be sent
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Which copy in a DLQ expires first.
ALTER TABLE failed_notification ADD KEY expires_first (channel, status, dlq_expires_at);
