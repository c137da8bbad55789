"""The first schema: symbols, bars by quarters, coverage, loads, jobs, errors, pace."""

from alembic import op

revision = "0001"
down_revision = None

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS dagster;

CREATE TABLE symbols (
    symbol           text COLLATE "C" PRIMARY KEY,
    name             text NOT NULL,
    type             text,
    primary_exchange text,
    currency         text,
    cik              text,
    composite_figi   text,
    share_class_figi text,
    active           boolean NOT NULL,
    delisted_date    date,
    last_updated_utc timestamptz,
    first_seen_at    timestamptz NOT NULL,
    last_seen_at     timestamptz NOT NULL
);
COMMENT ON TABLE symbols IS
    'Every security of the vendor''s reference lists, active and delisted; swapped whole.';

CREATE TABLE universe_snapshots (
    taken_at     timestamptz PRIMARY KEY,
    symbols      integer NOT NULL,
    active       integer NOT NULL,
    by_type      jsonb NOT NULL,
    by_exchange  jsonb NOT NULL,
    content_hash text NOT NULL,
    run_id       text
);
COMMENT ON TABLE universe_snapshots IS 'One row a completed discovery.';

CREATE TABLE universe_types (
    type text PRIMARY KEY
);
COMMENT ON TABLE universe_types IS 'The type codes that count as the universe: UNIVERSE_TYPES.';

CREATE TABLE nyse_sessions (
    date  date PRIMARY KEY,
    until date NOT NULL UNIQUE
);
COMMENT ON TABLE nyse_sessions IS
    'The exchange calendar; a session reaches in time until the next one begins.';

CREATE TABLE daily_bars (
    date         date NOT NULL,
    symbol       text COLLATE "C" NOT NULL,
    open         double precision NOT NULL,
    high         double precision NOT NULL,
    low          double precision NOT NULL,
    close        double precision NOT NULL,
    volume       double precision NOT NULL,
    vwap         double precision,
    transactions bigint,
    source       text NOT NULL,
    PRIMARY KEY (date, symbol)
) PARTITION BY RANGE (date);
COMMENT ON TABLE daily_bars IS
    'Bars as traded (unadjusted), of every ticker of the vendor''s answers; a partition a quarter.';
COMMENT ON COLUMN daily_bars.date IS 'New York session date';
COMMENT ON COLUMN daily_bars.source IS 'the endpoint that the row came from: grouped or symbol';

CREATE TABLE bar_additions (
    date     date NOT NULL,
    symbol   text COLLATE "C" NOT NULL,
    added_at timestamptz NOT NULL,
    PRIMARY KEY (date, symbol)
);
COMMENT ON TABLE bar_additions IS
    'When a bar that its session''s first load did not have came in: bar_revisions.believed_from.';

CREATE TABLE bar_revisions (
    symbol        text COLLATE "C" NOT NULL,
    date          date NOT NULL,
    open          double precision NOT NULL,
    high          double precision NOT NULL,
    low           double precision NOT NULL,
    close         double precision NOT NULL,
    volume        double precision NOT NULL,
    vwap          double precision,
    transactions  bigint,
    source        text NOT NULL,
    believed_from timestamptz NOT NULL,
    replaced_at   timestamptz NOT NULL,
    run_id        text,
    PRIMARY KEY (symbol, date, replaced_at)
);
COMMENT ON TABLE bar_revisions IS
    'The values that a later answer changed or removed, and from when to when they were believed.';

CREATE TABLE session_loads (
    date             date PRIMARY KEY,
    status           text NOT NULL
        CHECK (status IN ('loaded', 'empty', 'failed', 'pending', 'quarantined')),
    received         integer NOT NULL DEFAULT 0,
    stored           integer NOT NULL DEFAULT 0,
    rejected         integer NOT NULL DEFAULT 0,
    revised          integer NOT NULL DEFAULT 0,
    content_hash     text,
    final            boolean NOT NULL DEFAULT false,
    source           text NOT NULL DEFAULT 'grouped',
    fetched_at       timestamptz NOT NULL,
    run_id           text,
    first_fetched_at timestamptz,
    empty_on         date[] NOT NULL DEFAULT '{}',
    covered          boolean NOT NULL DEFAULT false,
    CHECK (received = stored + rejected)
);
CREATE INDEX session_loads_uncovered ON session_loads (date) WHERE NOT covered;
COMMENT ON COLUMN session_loads.revised IS 'bars that the last write changed or removed';
COMMENT ON COLUMN session_loads.empty_on IS 'days on which the vendor answered with no row';
COMMENT ON COLUMN session_loads.covered IS 'data_coverage knows this session as it is stored';

CREATE TABLE symbol_loads (
    symbol     text COLLATE "C" PRIMARY KEY,
    loaded     datemultirange NOT NULL,
    fetched_at timestamptz NOT NULL,
    covered    boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE symbol_loads IS 'Sessions asked of the per-symbol endpoint, bar or none.';

CREATE TABLE data_coverage (
    symbol        text COLLATE "C" PRIMARY KEY,
    first_date    date NOT NULL,
    last_date     date NOT NULL,
    bar_count     integer NOT NULL,
    missing_count integer NOT NULL,
    loaded        datemultirange NOT NULL,
    updated_at    timestamptz NOT NULL
);
COMMENT ON COLUMN data_coverage.loaded IS
    'unbroken runs of sessions with a bar, each from its first session to the day after its last';
COMMENT ON COLUMN data_coverage.missing_count IS
    'loaded sessions between first_date and last_date that have no bar';

CREATE TABLE load_jobs (
    name         text PRIMARY KEY,
    kind         text NOT NULL,
    start_date   date NOT NULL,
    end_date     date NOT NULL,
    symbols      text[],
    sessions     date[],
    status       text NOT NULL
        CHECK (status IN ('in_progress', 'completed', 'failed', 'interrupted')),
    started_at   timestamptz NOT NULL,
    last_updated timestamptz NOT NULL,
    fresh_since  timestamptz,
    run_id       text
);
COMMENT ON COLUMN load_jobs.sessions IS 'what the job is about; null: every session of its range';
COMMENT ON COLUMN load_jobs.last_updated IS 'heartbeat while the job is in progress';
COMMENT ON COLUMN load_jobs.fresh_since IS
    'set by clear-checkpoint: sessions fetched before do not count as processed';

CREATE TABLE data_fetch_errors (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    endpoint    text NOT NULL,
    symbol      text COLLATE "C",
    date        date,
    kind        text NOT NULL,
    http_status integer,
    message     text NOT NULL,
    attempts    integer NOT NULL,
    retryable   boolean NOT NULL,
    run_id      text,
    resolved_at timestamptz
);
CREATE INDEX data_fetch_errors_open ON data_fetch_errors (date, symbol) WHERE resolved_at IS NULL;

CREATE TABLE rejected_bars (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    date       date NOT NULL,
    symbol     text COLLATE "C",
    rule       text NOT NULL,
    payload    jsonb NOT NULL,
    fetched_at timestamptz NOT NULL,
    run_id     text,
    source     text NOT NULL
);
CREATE INDEX rejected_bars_date ON rejected_bars (date);

CREATE TABLE vendor_of_record (
    vendor      text PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vendor_of_record IS 'Who filled this database; another vendor is refused.';

CREATE TABLE request_slots (
    slot integer PRIMARY KEY,
    due  timestamptz NOT NULL
);
COMMENT ON TABLE request_slots IS
    'As many rows as requests a minute; a request takes the one that is due first.';

CREATE TABLE request_pause (
    id    integer PRIMARY KEY CHECK (id = 1),
    until timestamptz NOT NULL
);
COMMENT ON TABLE request_pause IS 'Until when nobody asks: the vendor said 429.';

CREATE VIEW universe_bars AS
SELECT b.symbol, b.date, b.open, b.high, b.low, b.close, b.volume, b.vwap, b.transactions, b.source
FROM daily_bars b
JOIN symbols s ON s.symbol = b.symbol
JOIN universe_types t ON t.type = s.type
WHERE NOT EXISTS (
    SELECT FROM session_loads l WHERE l.date = b.date AND l.status = 'quarantined'
);
COMMENT ON VIEW universe_bars IS
    'Bars of the universe''s types, delisted names included, quarantined sessions left out. '
    'Types are those of symbols.type today, not yet those of the listing on the bar''s date.';
"""


def upgrade() -> None:
    """Create everything."""
    op.execute(SCHEMA)
