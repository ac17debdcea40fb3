package kafka

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// state is how far an unsettled event has come.
type state uint8

const (
	waiting state = iota // nothing of it has been sent
	started              // a byte of its request may have left
	settled              // nothing is left to do for it
)

// tracked is one event between its reading and the commit that covers it.
type tracked struct {
	offset int64
	state  state
	read   bool // false for one that the last owner left and that is not read again yet

	followed bool // its pipeline is followed, which may take hours
}

// tracker knows which offsets of one partition are settled. It is safe for
// concurrent use.
//
// Only unsettled events have an entry: between the first of them and the high
// offset, what has no entry is settled. The entries are in the order of their
// offsets.
type tracker struct {
	place   partition
	mu      sync.Mutex
	high    int64      // offsets from here on were never read, by this owner or the last
	next    int64      // the offset that this owner reads next, at the least
	unread  int        // entries of the last owner that were not read again yet
	entries []*tracked // ascending; the first is unsettled, later ones may be settled
	vouched int64      // the ledger vouches for offsets from here on
	open    int        // unsettled entries
	follows int        // followed ones among them
	room    chan struct{}
	dirty   bool    // differs from what was committed last
	listed  []entry // of the last snapshot, for the next one to write over
}

// newTracker resumes a partition at the committed offset base with what the
// last owner's ledger says.
func newTracker(place partition, base int64, l ledger) *tracker {
	t := &tracker{place: place, high: max(base, l.high), vouched: l.vouched, next: base, room: make(chan struct{}, 1)}
	for _, e := range l.entries {
		s := waiting
		if e.started {
			s = started
		}
		t.entries = append(t.entries, &tracked{offset: e.offset, state: s})
	}
	t.open, t.unread = len(t.entries), len(t.entries)
	return t
}

// arrival is what the tracker says of an offset that was read.
type arrival uint8

const (
	arrivedNew         arrival = iota // to be handled
	arrivedSettled                    // done by an earlier owner, or read before
	arrivedInterrupted                // started by an earlier owner, its end unknown
)

// add notes that offset was read. For an offset that is to be handled it gives
// the entry to settle later. gone counts events that the last owner left
// unsettled and whose records no longer exist: retention or a compaction has
// removed them.
func (t *tracker) add(offset int64) (e *tracked, a arrival, gone int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if offset < t.next {
		return nil, arrivedSettled, 0
	}
	gone = t.forgetUnread(offset)
	t.next = offset + 1
	if offset < t.high {
		return t.resume(offset, gone)
	}
	t.high = offset + 1
	e = &tracked{offset: offset, read: true}
	t.entries = append(t.entries, e)
	t.open++
	t.dirty = true
	return e, arrivedNew, gone
}

// resume finds the entry that the last owner left for offset.
func (t *tracker) resume(offset int64, gone int) (*tracked, arrival, int) {
	i, found := slices.BinarySearchFunc(t.entries, offset, func(e *tracked, o int64) int { return cmp.Compare(e.offset, o) })
	if !found {
		return nil, arrivedSettled, gone
	}
	e := t.entries[i]
	e.read = true
	t.unread--
	if e.state == started {
		return e, arrivedInterrupted, gone
	}
	return e, arrivedNew, gone
}

// forgetUnread settles entries of the last owner that reading has passed by.
func (t *tracker) forgetUnread(offset int64) (gone int) {
	if t.unread == 0 {
		return 0
	}
	for _, e := range t.entries {
		if e.offset >= offset {
			break
		}
		if !e.read {
			e.read, e.state = true, settled
			gone++
		}
	}
	if gone > 0 {
		t.unread -= gone
		t.open -= gone
		t.trim()
	}
	return gone
}

// skip moves the reading to offset because the records before it no longer
// exist, and counts the events that were left unsettled among them.
func (t *tracker) skip(offset int64) (gone int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone = t.forgetUnread(offset)
	t.next = max(t.next, offset)
	t.high = max(t.high, offset)
	t.dirty = true
	return gone
}

// settle notes that nothing is left to do for e.
func (t *tracker) settle(e *tracked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.state == settled {
		return
	}
	e.state = settled
	t.open--
	if e.followed {
		t.follows--
	}
	t.trim()
}

// follow notes that e was carried out and that its pipeline is followed.
func (t *tracker) follow(e *tracked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !e.followed && e.state != settled {
		e.followed = true
		t.follows++
	}
}

// vouches reports whether the group's own ledger says that nobody has worked on
// the event at offset before.
func (t *tracker) vouches(offset int64) bool { return offset >= t.vouched }

// mark sets whether a byte of e's request may have left, and gives what was
// set before. Nothing changes for an event that is settled.
func (t *tracker) mark(e *tracked, s state) (before state) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before = e.state
	if before != settled && before != s {
		e.state = s
		t.dirty = true
	}
	return before
}

// trim drops settled entries and wakes the reader. Those behind an unsettled
// one go when they are more than half of all, so that settling costs a
// constant time per event and the list stays short.
func (t *tracker) trim() {
	t.dirty = true
	n := 0
	for n < len(t.entries) && t.entries[n].state == settled {
		t.entries[n] = nil
		n++
	}
	t.entries = t.entries[n:]
	if len(t.entries) > 2*t.open+64 {
		t.entries = slices.DeleteFunc(t.entries, func(e *tracked) bool { return e.state == settled })
	}
	select {
	case t.room <- struct{}{}:
	default:
	}
}

// full reports whether the window of unsettled events is full, so that
// nothing more may be read. It never is while events of the last owner are to
// be read again: they are counted already and settle only once they are read.
// A record beyond them takes the place of those that were passed by.
func (t *tracker) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.unread > 0 {
		return false
	}
	return t.open >= maxUnsettled || t.open > 0 && t.next-t.entries[0].offset >= maxSpan
}

// unsettled counts the events that are not settled.
func (t *tracker) unsettled() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
}

// waitRoom returns when the window has room, or with the cause of ctx's end.
func (t *tracker) waitRoom(ctx context.Context) error {
	for t.full() {
		select {
		case <-t.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// commit is an offset to commit with its metadata.
type commit struct {
	offset   int64
	metadata string
}

// snapshot returns what is to be committed and whether it differs from the
// snapshot before.
func (t *tracker) snapshot() (commit, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.dirty {
		return commit{}, false
	}
	t.dirty = false
	base := t.high
	l := ledger{high: t.high, vouched: t.vouched, entries: t.listed[:0]}
	for _, e := range t.entries {
		if e.state == settled {
			continue
		}
		base = min(base, e.offset)
		l.entries = append(l.entries, entry{offset: e.offset, started: e.state == started})
	}
	t.listed = l.entries
	return commit{offset: base, metadata: l.encode(t.place, base)}, true
}

// touch makes the next snapshot be taken even where nothing has changed,
// because the commit of the last one failed.
func (t *tracker) touch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirty = true
}

// position returns the first unsettled offset and the next one to be read.
func (t *tracker) position() (base, next int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries) > 0 {
		return t.entries[0].offset, t.next
	}
	return t.high, t.next
}

// behind counts the events before end that are not settled, without those that
// are followed.
func (t *tracker) behind(end int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(0, end-t.high) + int64(t.open-t.follows)
}
