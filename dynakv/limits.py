"""Every bound of the system, with its reason. Units stand last in the names."""

from typing import Final

# --- what a client may ask -------------------------------------------------------------------
KEY_BYTES_MAX: Final = 4096  # an index entry must fit a few to a page
VALUE_BYTES_MAX: Final = 1 << 20  # default of the knob `limits.value_bytes_max`
VALUE_BYTES_HARD_MAX: Final = 8 << 20  # what a bulk frame and a transaction are sized for
REQUEST_KEYS_MAX: Final = 1000  # one message is one transaction at most
LIST_KEYS_MAX: Final = 1000  # of one page; a page ends earlier where it is full of bytes
REQUEST_BYTES_MAX: Final = 16 << 20  # of keys and values together: what one peer may have in flight
KEYSPACE_NAME_BYTES_MAX: Final = 64
KEYSPACES_MAX: Final = 64  # each has a placement that every node and client holds in memory
REDIS_NUMBER_MAX: Final = KEYSPACES_MAX - 1  # of SELECT: one number for each keyspace is enough
EXPIRY_MS_MAX: Final = (1 << 47) - 1  # year 6429: below the 48 bits of a stamp's wall clock
TTL_MS_MAX: Final = 100 * 366 * 24 * 3600 * 1000  # a century: longer is a unit mistake
REPLICAS_MAX: Final = 16  # N: more copies than this is a backup, not a quorum
MEMBERS_MAX: Final = 256
GROUPS_MAX: Final = 4096  # shard groups of one keyspace
LAYOUT_BYTES_MAX: Final = 4 << 20  # one transaction and one message of the bulk lane, with room
WEIGHT_MAX: Final = 64
VNODES_PER_WEIGHT: Final = 128
ZONE_BYTES_MAX: Final = 64
NODE_ID_BYTES_MAX: Final = 64

KEYSPACE_CHANGES_MAX: Final = 16  # that wait for their turn at the member that makes them
SWEEP_ROWS_MAX: Final = 1_000  # of dropped keyspaces, removed in one transaction ...
SWEEP_PAUSE_MS: Final = 250  # ... and then nothing for so long: each look settles the batch log

# --- time ------------------------------------------------------------------------------------
CLOCK_BOUND_MS: Final = 500  # a stamp further ahead of the wall clock than this is refused
CLOCK_WARNING_MS: Final = 100
CLOCK_PAIR_MS: Final = 5  # two readings of one moment further apart are taken again
CLOCK_LEAP_MS: Final = 250  # wall against monotonic clock, between two looks
CLOCK_SAMPLE_AGE_MS: Final = 10_000  # a peer not heard from for longer has no say any more
HLC_AHEAD_MS: Final = 250  # how far the persisted upper bound of the clock runs ahead of use
STAMP_AGE_MS_MAX: Final = 60_000  # an older stamp on a client's write is refused
ATTEMPT_MS: Final = 2_000  # one attempt of an operation, where the caller names no deadline
DEADLINE_MS_MAX: Final = 60_000
DEADLINE_BUCKET_MS: Final = 50  # deadlines are rounded up to this, so that requests share one
ANSWER_MS: Final = 2 * DEADLINE_BUCKET_MS  # before the caller's deadline, so that it hears why
TIMER_BUCKET_MS: Final = 10  # what a node waits for is looked at this often
HEDGE_MS: Final = 50  # a read asks the remaining replicas after this much silence
HEDGE_BURST_KEYS: Final = 1_000  # at once: what is under way when a replica stops
SLOW_MS: Final = 50  # a peer that leaves an ask unanswered for so long is asked last
# A damaged row is healed only when every write that it may have acknowledged before is over, and so
# is every read that began before that: their deadlines are at most DEADLINE_MS_MAX each.
HEAL_AFTER_MS: Final = 2 * DEADLINE_MS_MAX
HEARTBEAT_MS: Final = 1_000
BEAT_CHECKS: Final = 10  # looks per heartbeat: so often is a peer asked that is down
SUSPECT_MS: Final = 5_000  # silence after which a peer counts as down
PAUSE_MS: Final = 1_000  # after a pause of this length a node doubts itself before its peers
REFUSING_MS: Final = 200  # so long a draining node refuses in words before it closes its doors
DRAIN_MS: Final = 5_000  # then, of each door, for calls under way; an attempt takes 2 s
FLUSH_MS: Final = 2_000  # last, for the hash trees: without it the next start reads every row
STATUS_DISK_MS: Final = 500  # how long an operator's question waits for the disk

# --- gossip ----------------------------------------------------------------------------------
PROBE_MS: Final = 1_000  # between probes of this node, each of another member
PROBE_TIMEOUT_MS: Final = 500  # of a probe; after it others are asked, until the next is due
PROBE_HELPERS: Final = 3  # asked to probe who did not answer; with 5 % loss 0.6 % of three fail
SUSPICION_MS_MIN: Final = 4_000  # with all confirmations: a refutation crosses 200 nodes in 2 s
SUSPICION_MS_MAX: Final = 12_000  # with none: the accuser may be the one that is cut off
HEALTH_MAX: Final = 8  # of a node that doubts itself: it waits 9 times as long
RUMOR_BYTES_MAX: Final = 512  # of one message: about 16 rumours, and it stays one packet
RUMOR_FRAME_BYTES: Final = 8  # of a rumour beside the two names
RUMOR_TIMES: Final = 2  # so often is a rumour told, per bit of the number of members
TELL_MS: Final = 200  # between messages that are sent only because there are rumours
TELL_PEERS: Final = 2
SYNC_MS: Final = 30_000  # between exchanges of everything with one other member
SYNC_SPREAD: Final = 4  # each is up to a quarter of the interval earlier: not all at once

# --- recovery of groups that forgot ----------------------------------------------------------
# After a start: then every request is over that may count what the former life acknowledged.
RECOVER_AFTER_MS: Final = DEADLINE_MS_MAX + 1_000
RECOVERING_AT_ONCE: Final = 2  # sessions of recovery that wait or run: requests go first
RECOVER_PAUSE_MS: Final = 100  # between looks for the next groups
HORIZON_MS: Final = 10 * 24 * 3_600_000  # a member that was away for longer rebuilds
HORIZON_MARKS: Final = 100  # of being alive, made durable per horizon ...
ALIVE_MARK_MS_MAX: Final = 60_000  # ... but one a minute at least

# --- Raft ------------------------------------------------------------------------------------
REQUEST_WINDOW_MS: Final = 600_000  # a request id first used longer ago is not run any more
REQUEST_OUTCOMES_MAX: Final = 256  # remembered per client and group: what it may await at once
REQUEST_OUTCOME_BYTES_MAX: Final = 8 << 20  # of records in them: more is answered as forgotten
STALE_MS_MAX: Final = 24 * 3_600_000  # a day: who accepts older answers wants a snapshot

# --- the driver ------------------------------------------------------------------------------
TURN_MESSAGES_MAX: Final = 256  # a turn yields to the event loop after this many messages ...
TURN_MS_MAX: Final = 2  # ... or this much time, so that sockets are served
TURN_MESSAGES_MIN: Final = TURN_MESSAGES_MAX // 8  # of each queue, even when time is up
WAVE_HOLD_MS_MIN: Final = 5  # a wave waits for the one before as long as answers take of late ...
WAVE_HOLD_MS_MAX: Final = 50  # ... but not for a slow replica
WAVE_TYPICAL_KEYS: Final = 256  # how many answers count for how long they take of late
WAVE_KEYS_MIN: Final = 64  # a wave of twice as many costs a tenth less per key
INBOX_CLIENT_KEYS_MAX: Final = 20_000  # half a second of a fast node; more is refused at the door
ADMITTED_WAIT_MS: Final = ATTEMPT_MS // 4  # whoever would wait longer is refused at the door ...
ADMITTED_KEYS_MIN: Final = 1_536  # ... but a message, or what one connection may send, always fits
ADMISSION_WINDOW_MS: Final = 100  # the speed is measured over: some transactions of a busy node
BYTES_PER_KEY: Final = 4096  # so many bytes of values weigh as much as one key more
INBOX_PEER_KEYS_MAX: Final = 50_000
COALESCED_KEYS_MAX: Final = 512  # client requests of one turn put together up to this many keys
OPERATIONS_MAX: Final = 10_000  # calls under way at the gRPC door of the clients

# --- storage ---------------------------------------------------------------------------------
FREE_PAGES_MAX: Final = 1_024  # of 4 KiB, or a quarter of the file: more is given back ...
SHRINK_PAGES_MAX: Final = 1_024  # ... so many at once: some 10 ms of the writer's thread ...
SHRINK_PAUSE_MS: Final = 100  # ... with this pause: rows go first
TRANSACTION_ROWS_MAX: Final = 1_000
TRANSACTION_BYTES_MAX: Final = 4 << 20
READ_KEYS_MAX: Final = 256  # keys of one statement and of one reader's task
READERS: Final = 2  # connections that read, each with a thread and one task in flight
CACHE_BYTES_MAX: Final = 64 << 20  # default of the knob `storage.cache_bytes_max`
CACHE_BYTES_HARD_MAX: Final = 1 << 40  # a tebibyte: more is a unit mistake
WRITTEN_KEYS_MAX: Final = 20_000  # written while one slow read is out: about a second
DAMAGED_ROWS_MAX: Final = 10_000  # beyond it the oldest are forgotten, and wait anew
OVERLAY_ROWS_MAX: Final = 16_384  # rows in the log and not in the database, of two generations: ...
LOG_BYTES_MAX: Final = 16 << 20  # ... a tenth of a second of work for the writer, and at a start
INLINE_VALUE_BYTES_MAX: Final = 4096  # larger values are fetched one by one
CHECKPOINT_BYTES: Final = 8 << 20  # WAL growth after which the writer checkpoints
WAL_BYTES_MAX: Final = 8 * CHECKPOINT_BYTES  # beyond it the writer waits for readers ...
RESTART_WAIT_MS: Final = 250  # ... so long: a reader's task takes a few milliseconds
BUSY_MS: Final = 5_000  # how long to wait for a stranger's lock before giving up
WRITER_CACHE_BYTES: Final = 64 << 20  # the upper levels of the index, and its recent leaves
READER_CACHE_BYTES: Final = 16 << 20
STATEMENTS_MAX: Final = 64  # prepared statements kept: every size of every form
DISK_RESERVE_SHARE: Final = 0.05  # writes are refused when less of the disk than this is free
FREE_SHARE_AGE_MS: Final = 1_000  # how old the share that is free may be
PAGE_ROWS_MAX: Final = 256  # of one scan: a reader thread is busy for a few milliseconds
PAGE_BYTES_MAX: Final = 256 << 10
# A snapshot keeps the WAL from starting again. What grew meanwhile is copied in one piece when it
# is over, about a second of a fast disk's time, and writes wait for that.
SNAPSHOT_WAL_BYTES_MAX: Final = 256 << 20
SNAPSHOT_WAL_BYTES_HARD_MAX: Final = 1 << 40  # a tebibyte: more is a unit mistake
SNAPSHOT_BEGUN_STEPS: Final = 1_000  # of SQLite's machine: by then it copies rows
SNAPSHOT_WATCH_MS: Final = 100  # so often is looked at what it costs
SNAPSHOT_NAME_BYTES_MAX: Final = 64
SNAPSHOTS_LISTED_MAX: Final = 1_000  # the newest
GROUP_ROWS_MIN: Final = 8  # of each group in a scan of many: most pages then are full

# --- hints -----------------------------------------------------------------------------------
HINT_BYTES_MAX: Final = 1 << 30  # per target, default of the knob `hints.bytes_max`
HINT_BYTES_HARD_MAX: Final = 1 << 40  # a tebibyte: more is a unit mistake
HINT_AGE_MS: Final = 3 * 3600 * 1000  # a longer absence is for anti-entropy: fewer bytes in all
HINT_PAUSE_MS: Final = 50  # between two pages for one target, and once more what a page took, ...
HINT_PAUSE_MS_MAX: Final = 1_000  # ... but no more than this: a page may have hung
HINT_ROW_BYTES: Final = 64  # a row weighs its key, its value and this: stamps, index, checksum
HINT_WAITING_BYTES_MAX: Final = 8 << 20  # in memory, on their way to the disk
HINT_GROUPS: Final = 16  # that one page may be of: each is a statement
HINT_BACKOFFS: Final = 4  # doublings of a heartbeat's interval: at most 16 s between attempts
HINT_SWEEPS: Final = 8  # looks for hints too old, per age, while their target stays away

# --- between nodes ---------------------------------------------------------------------------
COALESCED_BYTES_MAX: Final = 256 << 10  # values of requests put together, for the data lane
LOAD_BYTES_MAX: Final = 4 << 20  # values of one reply; the rest is asked for again
FRAME_BYTES_MAX: Final = 256 << 10  # of the data lane; a larger message travels on the bulk lane
TAKEN_REPLY_MS: Final = 20  # a reply that says only "taken" waits for others; below SLOW_MS
OUTSTANDING_BYTES_MAX: Final = 16 << 20  # unanswered per peer; beyond it an ask fails at once
OUTSTANDING_ASKS_MAX: Final = 10_000
MESSAGE_BYTES_MAX: Final = 32 << 20  # of gRPC: a full request, its columns and room to grow
PART_BYTES_MAX: Final = MESSAGE_BYTES_MAX - 4096  # leaves room for the frame's header
RECONNECT_MS: Final = 50  # a cluster that starts must not wait for its slowest node
RECONNECT_MS_MAX: Final = 1_000  # between attempts to reach a peer that stays away
CONNECT_MS_MAX: Final = 1_000  # of one attempt: a peer behind a cut cable refuses nothing
KEEPALIVE_MS: Final = 1_000  # idle connections are probed this often, ...
KEEPALIVE_TIMEOUT_MS: Final = 2_000  # ... and given up after this, before the peer is suspected
CLIENT_KEEPALIVE_MS: Final = 30_000  # the same towards clients: one that vanished frees its calls
CLIENT_KEEPALIVE_TIMEOUT_MS: Final = 10_000
SWEEP_MS: Final = 100  # how late an ask past its deadline may be forgotten

# --- the Redis door --------------------------------------------------------------------------
RESP_ARGUMENTS_MAX: Final = 99_999  # of one command: a count of five digits
RESP_INLINE_BYTES_MAX: Final = 64 << 10  # a line without an end is nobody's command
RESP_HEADER_BYTES_MAX: Final = 32  # of a count or length: a type, twenty digits, a sign
RESP_BULK_BYTES_MAX: Final = VALUE_BYTES_HARD_MAX  # no argument can be of use above it
RESP_REQUEST_BYTES_MAX: Final = 32 << 20  # unfinished per connection: all values of one MSET
RESP_UNANSWERED_MAX: Final = 1_024  # commands per connection; beyond it nothing is read
RESP_OUTPUT_BYTES_MAX: Final = 1 << 20  # unsent per connection; beyond it replies wait
RESP_HELD_BYTES_MAX: Final = 8 << 20  # of replies on their way per connection, as far as foreseen
RESP_REPLY_BYTES_GUESS: Final = 64 << 10  # of a connection whose replies nobody has seen yet
RESP_CONNECTIONS_MAX: Final = 10_000
RESP_KEEPALIVE_S: Final = 300  # of silence before the kernel asks whether a client is still there
RESP_QUEUED_MAX: Final = 10_000  # commands between MULTI and EXEC ...
RESP_QUEUED_BYTES_MAX: Final = 16 << 20  # ... and their arguments together
RESP_ATOMIC_ATTEMPTS_MAX: Final = 8  # of what is read, then done if unchanged: then it is too busy
RESP_COLUMN_BYTES_MAX: Final = 4 << 20  # of one turn's values: what one transaction takes
RESP_CURSORS_MAX: Final = 10_000  # positions of SCAN that a node remembers, a key each
RESP_KEYS_MAX: Final = 1_000_000  # of one KEYS reply; who has more uses SCAN
RESP_SAMPLE_PAGES_MAX: Final = 64  # that RANDOMKEY draws from
RESP_SEARCH_PAGES_MAX: Final = 4_096  # to find a cursor that another node has given
RESP_NAME_BYTES_MAX: Final = 1_024  # of CLIENT SETNAME and SETINFO

# --- repair ----------------------------------------------------------------------------------
COMPARE_GROUPS_MAX: Final = 256  # roots of one Compare: hashing them takes about a millisecond
COMPARED_LEAVES_MAX: Final = 16  # groups whose leaves one reply brings: 16 KiB
REPAIR_PAGE_ROWS_MAX: Final = 1_024  # looked at per page, on either side, without their values
REPAIR_SETTLE_MS: Final = 1_000  # within it what is on its way to all replicas has reached them
REPAIR_PAUSE_MS: Final = 10  # between the pages of a session: requests go first
REPAIR_ATTEMPT_MS: Final = 10_000  # of one ask: it may carry LOAD_BYTES_MAX over a slow link
REPAIR_SESSIONS: Final = 2  # at a time: one waits for its peer while the other one works
REPAIR_WAITING_MAX: Final = 10_000  # sessions asked for and not begun
REPAIR_INTERVAL_MS: Final = 600_000  # between rounds with a peer
REPAIR_LOOKS: Final = 40  # per interval, where that is short: is a round due, a tree unknown?
LOOK_MS_MAX: Final = 1_000
LOOK_MS_MIN: Final = 50
RETURN_SHARE: Final = 100  # of the interval: so long a peer that came back may begin by itself
REPAIR_WANTED_AT_ONCE: Final = 16  # sessions under way before marked groups wait
REPAIR_WANTED_LOOKED_AT: Final = 256  # marks per look, most of them of peers that are away
CLEAN_AFTER_MS: Final = 30_000  # a group not written for so long is flushed
CLEAN_MARKS_MAX: Final = 64  # of one transaction: 64 KiB of leaves
SCRUB_EVERY_MS: Final = 30 * 24 * 3600 * 1000  # every row is read and verified so often
MINORITY_KEYS_MAX: Final = 64  # of a page that other replicas are asked about: each with its value
ALARM_MS: Final = 60_000  # between two reports of the same trouble; what comes between is counted
ALARM_KEY_BYTES_MAX: Final = 64  # of a key, in such a report
HEAL_LOOKS: Final = 8  # for damaged rows that may be healed, per `heal_after_ms`
HEALED_KEYS_MAX: Final = 64  # of one look
TASKS_ENDED_MAX: Final = 64  # of a kind are still shown

# --- collection of deleted and expired records -----------------------------------------------
# What is cut off is older than any write that may still be under way: stamps of a minute, deadlines
# of a minute, and hints that were delivered late are refused rather than waited for.
CUT_AGE_MS: Final = 3_600_000
COLLECT_EVERY_MS: Final = 600_000  # between attempts at one group
COLLECT_PAUSE_MS: Final = 20  # between pages of what is counted or dropped: requests go first
COLLECT_ATTEMPT_MS: Final = 10_000  # of one Fence or RaiseFloor
ADOPT_MS: Final = 1_000  # how long a floor that a peer stands under waits to be adopted ...
FLOORS_ADOPTED_MAX: Final = 256  # ... and how many then become durable together

# --- Raft ------------------------------------------------------------------------------------
RAFT_TICK_MS: Final = 100
RAFT_ELECTION_TICKS: Final = 10  # of 100 ms: timeouts of 1 to 2 s
RAFT_HEARTBEAT_TICKS: Final = 1
RAFT_MESSAGE_BYTES_MAX: Final = FRAME_BYTES_MAX  # entries of one append: a frame of the data lane
RAFT_COMMITTED_BYTES_MAX: Final = 4 << 20  # applied in one transaction
RAFT_UNCOMMITTED_BYTES_MAX: Final = 16 << 20  # of one leader: without a majority it fills
RAFT_INFLIGHT_MESSAGES_MAX: Final = 64  # appends to one follower
RAFT_INFLIGHT_BYTES_MAX: Final = 4 << 20  # of one group to one follower
RAFT_PENDING_MIN: Final = 64  # so many commands do not wait for those before them to be decided
RAFT_READS_MAX: Final = 10_000  # waiting in one group; more are refused at once
RAFT_SWEEP_MS: Final = 200  # between pages looked through for what is expired: 1,280 rows/s
RAFT_SWEEP_RESTS: Final = 300  # such pauses when every group was looked through: a minute
RAFT_KEYSPACE_GROUPS: Final = 16  # of a keyspace, where nobody says how many
RAFT_GROUPS_MAX: Final = 4096  # members on one node: 256 keyspaces of 16 groups
RAFT_OPERATION_BYTES: Final = 64  # what an operation weighs in an entry beside key and value
RAFT_FRAME_BYTES_MAX: Final = 1 << 20  # of entries in one ask to a peer; the rest is one more
RAFT_ATTEMPT_MS: Final = 1_000  # of one ask to a leader: then another one may be found
RAFT_RETRY_MS: Final = 50  # between looks for a leader of those who wait for one
RAFT_LOG_ENTRIES_MAX: Final = 4_096  # applied ones kept for followers that lag; then compacted ...
RAFT_LOG_ENTRIES_KEPT: Final = 1_024  # ... down to so many
RAFT_LOG_BYTES_MAX: Final = 16 << 20  # of applied commands kept in one group, and less where ...
RAFT_LOGS_BYTES_MAX: Final = 256 << 20  # ... a node has so many groups that they exceed this
RAFT_COMPACTED_MAX: Final = 512  # of one write: rows to remove
RAFT_IDLE_TICKS: Final = 20  # of nothing to do, then a leader lets its group sleep
RAFT_JOIN_TICKS: Final = 5  # between questions of a member that forgot whether it may come back
RAFT_JOINS_MAX: Final = 16  # groups of a node that come back at a time: each takes a snapshot
RAFT_LOOK_TICKS: Final = 5  # between looks whether the node of a sleeping group's leader is lost
RAFT_BALANCE_MS: Final = 5_000  # between looks whether a group has a better leader
RAFT_ID_WINDOW: Final = REQUEST_OUTCOMES_MAX // 2  # ids a node may await under one client id
RAFT_SHADOW_BYTES_MAX: Final = 64 << 20  # kept for one snapshot under way: what changed meanwhile
RAFT_PAGE_ROWS_MAX: Final = 2_048  # of a snapshot: the group stands still while a page is read
RAFT_PAGE_BYTES_MAX: Final = 1 << 20
RAFT_PAGES_STORING: Final = 2  # one is fetched while others are being written
RAFT_OFFER_TICKS: Final = 100  # without a question for a page, then a snapshot was offered in vain
RAFT_FETCHES_MAX: Final = 5  # attempts at one page
RAFT_UNBOUND_MAX: Final = 100  # messages of a peer that wait until its incarnation is bound
