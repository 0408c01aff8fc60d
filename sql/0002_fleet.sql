-- Several daemons on one database are one system.

-- Daemons that are there: each says so every few seconds. One that went without a word stays for a while, so that
-- operators see it missing.
CREATE TABLE daemon (
  owner      VARCHAR(64) CHARACTER SET ascii NOT NULL PRIMARY KEY, -- as in delivery.owner
  host       VARCHAR(64) NOT NULL,
  socket     VARCHAR(108) NOT NULL,                   -- one daemon a host and socket: the next takes the place of the last
  pid        INT UNSIGNED NOT NULL,
  version    VARCHAR(32) NOT NULL,
  started_at DATETIME(3) NOT NULL,
  seen_at    DATETIME(3) NOT NULL,
  KEY forget (seen_at)                                -- those gone for long
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Work that one of them does for all: it holds the lease and prolongs it; once it has run out it is anybody's.
CREATE TABLE lease (
  name  VARCHAR(32) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  owner VARCHAR(64) CHARACTER SET ascii NOT NULL,
  until DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- What operators say of a channel, for all daemons. A row is made at the first word about the channel. The names
-- are of who said it last, a resume and an 'auto' included.
CREATE TABLE channel_control (
  channel        VARCHAR(16) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  paused         BOOLEAN NOT NULL DEFAULT FALSE,
  pause_by       VARCHAR(64) NULL,
  pause_reason   VARCHAR(500) NULL,
  pause_at       DATETIME(3) NULL,
  breaker        ENUM('auto','open','closed') NOT NULL DEFAULT 'auto',
  breaker_by     VARCHAR(64) NULL,
  breaker_reason VARCHAR(500) NULL,
  breaker_at     DATETIME(3) NULL,
  mirrored_at    DATETIME(3) NULL                     -- when the leader last went through its DLQ to the end
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
