-- Finding failed rows, whatever the table's size. Each index names the query it serves. A list by moment of death
-- walks one index, or several ranges of one side by side, so that few indexes serve many filters.

-- What a row died of, without what differs from one to the next: addresses, numbers and ids in the reason are '#'
-- ('@' for an address); a reply code and an enhanced status code stay. cause is that as a number, with channel and class.
ALTER TABLE failed_notification
  DROP KEY list_class,                                            -- finding does it
  ADD COLUMN cause_text VARCHAR(512) AS (REGEXP_REPLACE(REGEXP_REPLACE(reason, '[^\\s<>"(),;:]+@[^\\s<>"(),;:]+', '@'), '\\b(?:(?:SMTP|HTTP) \\d{3}|[245]\\.\\d{1,3}\\.\\d{1,3})\\b(*SKIP)(*F)|[\\w-]*\\d[\\w-]*', '#')) VIRTUAL,
  ADD COLUMN cause BIGINT UNSIGNED AS (CONV(LEFT(MD5(CONCAT(channel, ' ', class, ' ', cause_text)), 16), 16, 10)) STORED,
  ADD COLUMN in_dlq BOOLEAN AS (dlq_message_id IS NOT NULL) STORED,
  ADD KEY finding (channel, class, status, dead_at, id),          -- list by class, with or without channel and status
  ADD KEY by_cause (cause, status, dead_at, id),                  -- list by cause; groups and their counts
  ADD KEY list_dlq (in_dlq, channel, status, dead_at, id),        -- list of what stands in a DLQ
  -- lists sorted by attempts and by redrives
  ADD KEY by_attempts (attempts, id),
  ADD KEY by_redrives (redrives, id);
