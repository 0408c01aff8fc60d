-- What operators do with one delivery: sent now or given up while it waits, and edited when it is dead.

-- The message of each delivery that waits for its next attempt, since its copy is hidden in the broker until
-- then. Written with the retry, removed when the delivery is settled.
CREATE TABLE retry_message (
  delivery_id  BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  name         VARCHAR(200) NULL,
  source_queue VARCHAR(80) NOT NULL,
  message_id   VARCHAR(128) NOT NULL,
  payload      MEDIUMBLOB NOT NULL,
  attributes   MEDIUMTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- An intent is either a failed row's or that of a delivery which waits for its next attempt.
ALTER TABLE redrive_intent
  MODIFY COLUMN failed_id BIGINT UNSIGNED NULL,
  ADD COLUMN delivery_id BIGINT UNSIGNED NULL,
  ADD UNIQUE KEY one_intent_a_delivery (delivery_id);

-- Copies that were sent before the latest edit are not to be delivered any more.
ALTER TABLE delivery
  ADD COLUMN edits SMALLINT UNSIGNED NOT NULL DEFAULT 0;

-- What a failed row held before each edit, byte for byte: the first one is the original.
CREATE TABLE failed_edit (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  failed_id  BIGINT UNSIGNED NOT NULL,
  at         DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
  operator   VARCHAR(64) NOT NULL,
  reason     VARCHAR(500) NULL,
  summary    VARCHAR(1000) NOT NULL,                  -- field by field, personal data masked
  payload    MEDIUMBLOB NOT NULL,
  attributes MEDIUMTEXT NOT NULL,
  recipient  VARCHAR(320) COLLATE utf8mb4_nopad_bin NULL,
  KEY of_row (failed_id, id)                          -- detail: the edits of a row
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
