-- usher's schema. All times are UTC, DATETIME(3). Each index names the query it serves.
-- One statement ends at a line that ends in a semicolon. Ids compare byte by byte, blanks at the end included
-- (utf8mb4_nopad_bin): "e1" and "e1 " are two events.

-- Members. Belongs to the sign-up side; an application with a table of its own leaves this one empty.
CREATE TABLE users (
  user_id      VARCHAR(128) COLLATE utf8mb4_nopad_bin NOT NULL PRIMARY KEY,
  email        VARCHAR(320) COLLATE utf8mb4_nopad_bin NOT NULL,
  name         VARCHAR(200) NOT NULL,
  locale       VARCHAR(35)  NOT NULL,
  signed_up_at DATETIME(3)  NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
  UNIQUE KEY one_sign_up_an_address (email)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Events that wait to be published. Applications in any language insert (event_id, payload) in the
-- transaction that inserts their user.
CREATE TABLE signup_outbox (
  id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  event_id     VARCHAR(128) COLLATE utf8mb4_nopad_bin NOT NULL,
  payload      MEDIUMTEXT NOT NULL,
  created_at   DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
  published_at DATETIME(3) NULL,
  next_at      DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
  attempts     INT UNSIGNED NOT NULL DEFAULT 0,
  last_error   VARCHAR(500) NULL,
  UNIQUE KEY one_row_an_event (event_id),
  KEY to_publish (published_at, id)        -- relay: published_at IS NULL ORDER BY id; prune: published_at < ?
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The ledger: one row a delivery (event on a channel); it makes every act idempotent.
CREATE TABLE delivery (
  id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  event_id     VARCHAR(128) COLLATE utf8mb4_nopad_bin NOT NULL,
  channel      VARCHAR(16) CHARACTER SET ascii NOT NULL,
  state        ENUM('claimed','delivered','retrying','dead','queued','cancelled') NOT NULL,
  version      INT UNSIGNED NOT NULL DEFAULT 1,     -- +1 at every move: compare-and-set
  user_id      VARCHAR(128) COLLATE utf8mb4_nopad_bin NULL,
  recipient    VARCHAR(320) COLLATE utf8mb4_nopad_bin NULL,
  attempts     SMALLINT UNSIGNED NOT NULL DEFAULT 0, -- burned since the last redrive
  throttled    SMALLINT UNSIGNED NOT NULL DEFAULT 0, -- answered "too much for now" since the last redrive
  redrives     SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  owner        VARCHAR(64) CHARACTER SET ascii NULL, -- claimed: which daemon
  lease_until  DATETIME(3) NULL,                     -- claimed: taken over after this
  due_at       DATETIME(3) NULL,                     -- retrying: next attempt
  last_class   VARCHAR(24) CHARACTER SET ascii NULL,
  last_reply   VARCHAR(512) NULL,
  created_at   DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
  updated_at   DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
  delivered_at DATETIME(3) NULL,
  UNIQUE KEY one_delivery (event_id, channel),        -- claim
  KEY live (state, channel, due_at, id),              -- counts by state; console: Retrying, soonest first
  KEY prune (state, delivered_at),                    -- retention of delivered rows
  KEY by_user (user_id, id)                           -- everything of one member
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Every try against an outside service, with its reply.
CREATE TABLE delivery_attempt (
  id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  delivery_id  BIGINT UNSIGNED NOT NULL,
  number       SMALLINT UNSIGNED NOT NULL,            -- burned attempts, this one included
  redrive      SMALLINT UNSIGNED NOT NULL DEFAULT 0,  -- 0: before any redrive
  at           DATETIME(3) NOT NULL,
  latency_ms   INT UNSIGNED NOT NULL,
  class        VARCHAR(24) CHARACTER SET ascii NOT NULL, -- '' = delivered
  code         SMALLINT UNSIGNED NOT NULL DEFAULT 0,  -- SMTP reply code or HTTP status
  reply        VARCHAR(512) NOT NULL,
  effect       VARCHAR(300) NOT NULL DEFAULT '',      -- Message-ID, or coupon id and key
  KEY of_delivery (delivery_id, id)                   -- detail: the timeline of a row
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Deliveries that died, for operators. One row a delivery; a second death updates it.
CREATE TABLE failed_notification (
  id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  delivery_id    BIGINT UNSIGNED NOT NULL,
  event_id       VARCHAR(128) COLLATE utf8mb4_nopad_bin NOT NULL,
  channel        VARCHAR(16) CHARACTER SET ascii NOT NULL,
  status         ENUM('dead','queued','delivered','cancelled') NOT NULL,
  version        INT UNSIGNED NOT NULL DEFAULT 1,
  class          VARCHAR(24) CHARACTER SET ascii NOT NULL,
  reason         VARCHAR(512) NOT NULL,
  attempts       SMALLINT UNSIGNED NOT NULL,
  redrives       SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  user_id        VARCHAR(128) COLLATE utf8mb4_nopad_bin NULL,
  recipient      VARCHAR(320) COLLATE utf8mb4_nopad_bin NULL,
  name           VARCHAR(200) NULL,
  payload        MEDIUMBLOB NOT NULL,                 -- the body as received, byte for byte
  attributes     MEDIUMTEXT NOT NULL,                 -- message attributes, a JSON object of strings
  source_queue   VARCHAR(80) NOT NULL,
  message_id     VARCHAR(128) NOT NULL,
  dlq_message_id VARCHAR(128) NULL,                   -- the copy in the DLQ as last seen; NULL: none seen
  dlq_seen_at    DATETIME(3) NULL,
  dlq_expires_at DATETIME(3) NULL,
  first_at       DATETIME(3) NOT NULL,                -- first death
  dead_at        DATETIME(3) NOT NULL,                -- latest death
  updated_at     DATETIME(3) NOT NULL,
  settled_by     VARCHAR(64) NULL,                    -- login of who redrove or cancelled it last
  settled_reason VARCHAR(500) NULL,
  UNIQUE KEY one_row_a_delivery (delivery_id),
  KEY list_newest (dead_at, id),                                  -- list without status, channel and class
  KEY list_status (status, dead_at, id),                          -- list by status
  KEY list_channel (channel, dead_at, id),                        -- list by channel
  KEY list_channel_status (channel, status, dead_at, id),         -- list by channel and status
  KEY list_class (class, dead_at, id),                            -- list by class
  KEY list_class_status (class, status, dead_at, id),             -- list by class and status
  KEY by_event (event_id),                                        -- search
  KEY by_user (user_id),                                          -- search
  KEY by_recipient (recipient)                                    -- search
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- A fresh copy that must still be sent to a source queue; the row is removed once the broker has it.
CREATE TABLE redrive_intent (
  id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  failed_id   BIGINT UNSIGNED NOT NULL,
  next_at     DATETIME(3) NOT NULL,
  attempts    INT UNSIGNED NOT NULL DEFAULT 0,
  last_error  VARCHAR(500) NULL,
  created_at  DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
  UNIQUE KEY one_intent_a_row (failed_id),
  KEY due (next_at, id)                               -- the watcher takes what is due
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Who did what, and what was refused.
CREATE TABLE audit (
  id        BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at        DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
  operator  VARCHAR(64) NOT NULL,
  role      VARCHAR(16) CHARACTER SET ascii NOT NULL,  -- operator | viewer | usher
  act       VARCHAR(32) CHARACTER SET ascii NOT NULL,
  target    VARCHAR(160) NOT NULL,                     -- "failed/42"
  outcome   VARCHAR(16) CHARACTER SET ascii NOT NULL,  -- done | refused | conflict | failed
  reason    VARCHAR(500) NULL,                         -- the operator's words
  detail    VARCHAR(1000) NULL,                        -- usher's words
  KEY of_target (target, id)                           -- detail: the history of a row
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The embedded broker.
CREATE TABLE broker_queue (
  id                INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name              VARCHAR(80) COLLATE utf8mb4_nopad_bin NOT NULL,
  dlq               VARCHAR(80) COLLATE utf8mb4_nopad_bin NULL,
  max_receive_count INT UNSIGNED NOT NULL,
  visibility_ms     BIGINT UNSIGNED NOT NULL,
  retention_ms      BIGINT UNSIGNED NOT NULL,
  UNIQUE KEY one_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE broker_subscription (
  topic VARCHAR(80) COLLATE utf8mb4_nopad_bin NOT NULL,
  queue VARCHAR(80) COLLATE utf8mb4_nopad_bin NOT NULL,
  PRIMARY KEY (topic, queue)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE broker_message (
  id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  queue_id      INT UNSIGNED NOT NULL,
  message_id    CHAR(36) CHARACTER SET ascii NOT NULL,
  body          MEDIUMBLOB NOT NULL,
  attributes    MEDIUMTEXT NOT NULL,
  sent_at       DATETIME(3) NOT NULL,
  visible_at    DATETIME(3) NOT NULL,
  receive_count INT UNSIGNED NOT NULL DEFAULT 0,
  KEY to_receive (queue_id, visible_at, id),          -- receive, depths, next visible
  KEY expiry (queue_id, sent_at)                      -- retention, oldest message
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
