-- What was in force when: each configuration that a daemon has run with, and each attempt to change it. A version is
-- a row's id: it counts for all daemons together, and is of one of them.
CREATE TABLE config_version (
  id       BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  host     VARCHAR(64) NOT NULL,
  socket   VARCHAR(108) NOT NULL,           -- with host: one daemon, as in daemon
  at       DATETIME(3) NOT NULL,
  who      VARCHAR(64) NOT NULL,            -- login; '' where the source itself is all there is
  source   VARCHAR(300) NOT NULL,           -- what brought it: a start, SIGHUP, a file, the API, the config server
  outcome  ENUM('applied','refused') NOT NULL,
  reasons  MEDIUMTEXT NOT NULL,             -- refused: why, a line each
  settings MEDIUMTEXT NULL,                 -- all that was in force from then on, secrets as marks; NULL: refused
  KEY latest (host, socket, outcome, id),   -- what a daemon last ran with
  KEY prune (at)                            -- retention
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- What was different in it, key by key. A secret is never in it.
CREATE TABLE config_change (
  version    BIGINT UNSIGNED NOT NULL,
  name       VARCHAR(160) CHARACTER SET ascii NOT NULL, -- "channel.email.rate"
  old_value  TEXT NULL,
  new_value  TEXT NULL,
  origin     VARCHAR(600) NULL,
  effect     ENUM('applied','pending','withdrawn') NOT NULL,
  PRIMARY KEY (version, name, effect),
  KEY by_name (name, version)               -- the history of one key
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
