package kafka

import (
	"cmp"
	"slices"
	"sync"
)

// state is how far an unsettled event has come.
type state uint8

const (
	waiting   state = iota // nothing of it has been sent
	started                // a byte of its request may have left
	following              // carried out; its pipeline is followed, which may take hours
)

// tracked is an unsettled event.
type tracked struct {
	offset int64
	state  state
}

// tracker knows which offsets of one partition are settled. It is safe for
// concurrent use.
//
// Only unsettled events have an entry: below the high offset, what has no entry
// is settled. Entries from the next offset on are the last owner's, and were not
// read again yet.
type tracker struct {
	place   partition
	vouched int64 // the ledger vouches for offsets from here on

	mu      sync.Mutex
	high    int64           // offsets from here on were never read, by this owner or the last
	next    int64           // the offset that this owner reads next, at the least
	entries []*tracked      // ascending
	dirty   bool            // differs from what was committed last
	asked   []chan struct{} // closed by the commit of the next snapshot
	seen    logSeen
}

// newTracker resumes a partition at the committed offset base with what the
// last owner's ledger says.
func newTracker(place partition, base int64, l ledger) *tracker {
	t := &tracker{place: place, vouched: l.vouched, high: max(base, l.high), next: base}
	for _, e := range l.entries {
		s := waiting
		if e.started {
			s = started
		}
		t.entries = append(t.entries, &tracked{offset: e.offset, state: s})
	}
	return t
}

// find returns where the entry of offset is, or would be.
func (t *tracker) find(offset int64) (i int, found bool) {
	return slices.BinarySearchFunc(t.entries, offset, func(e *tracked, o int64) int { return cmp.Compare(e.offset, o) })
}

// arrival is what the tracker says of an offset that was read.
type arrival uint8

const (
	arrivedNew         arrival = iota // to be handled
	arrivedSettled                    // done by an earlier owner, or read before
	arrivedInterrupted                // started by an earlier owner, its end unknown
)

// add notes that offset was read. For an offset that is to be handled it returns
// the entry to settle later. gone counts events that the last owner left
// unsettled and whose records no longer exist: retention or a compaction has
// removed them.
func (t *tracker) add(offset int64) (e *tracked, a arrival, gone int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if offset < t.next {
		return nil, arrivedSettled, 0
	}
	gone = t.passBy(offset)
	t.next = offset + 1
	if offset >= t.high {
		t.high = offset + 1
		e = &tracked{offset: offset}
		t.entries = append(t.entries, e)
		t.dirty = true
		return e, arrivedNew, gone
	}
	i, left := t.find(offset)
	if !left {
		return nil, arrivedSettled, gone
	}
	if t.entries[i].state == started {
		return t.entries[i], arrivedInterrupted, gone
	}
	return t.entries[i], arrivedNew, gone
}

// passBy settles the entries from the next offset to offset.
func (t *tracker) passBy(offset int64) (gone int) {
	from, _ := t.find(t.next)
	to, _ := t.find(max(t.next, offset))
	t.remove(from, to)
	return to - from
}

func (t *tracker) remove(from, to int) {
	t.entries = slices.Delete(t.entries, from, to)
	t.dirty = t.dirty || from < to
}

// skip moves the reading to offset because the records before it no longer
// exist, and counts the events that were left unsettled among them.
func (t *tracker) skip(offset int64) (gone int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone = t.passBy(offset)
	t.next = max(t.next, offset)
	t.high = max(t.high, offset)
	t.dirty = true
	return gone
}

// settle notes that nothing is left to do for e.
func (t *tracker) settle(e *tracked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, found := t.find(e.offset); found {
		t.remove(i, i+1)
	}
}

// vouches reports whether the group's own ledger says that nobody has worked on
// the event at offset before.
func (t *tracker) vouches(offset int64) bool { return offset >= t.vouched }

// mark sets the state of e and returns the one before. One that is followed
// stays followed.
func (t *tracker) mark(e *tracked, s state) (before state) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before = e.state
	if before != following && before != s {
		e.state = s
		t.dirty = true
	}
	return before
}

// full reports whether the window of unsettled events is full, so that
// nothing more may be read. It never is while events of the last owner are to
// be read again: they are counted already and settle only once they are read.
// A record beyond them takes the place of those that were passed by.
func (t *tracker) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.isFull()
}

func (t *tracker) isFull() bool {
	n := len(t.entries)
	if n == 0 || t.entries[n-1].offset >= t.next {
		return false
	}
	return n >= maxUnsettled || t.next-t.entries[0].offset >= maxSpan
}

// commit is an offset to commit with its metadata.
type commit struct {
	offset   int64
	metadata string
}

// snapshot returns what is to be committed, who has asked for it, and whether it
// differs from the snapshot before.
func (t *tracker) snapshot() (cm commit, asked []chan struct{}, changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.dirty {
		return commit{}, nil, false
	}
	l := ledger{high: t.high, vouched: t.vouched}
	for _, e := range t.entries {
		l.entries = append(l.entries, entry{offset: e.offset, started: e.state != waiting})
	}
	base := t.base()
	asked, t.asked, t.dirty = t.asked, nil, false
	return commit{base, l.encode(t.place, base)}, asked, true
}

// ask has the next snapshot taken even where nothing has changed. The channel is
// closed when one that was taken after the call is committed.
func (t *tracker) ask() <-chan struct{} {
	done := make(chan struct{})
	t.askAgain([]chan struct{}{done})
	return done
}

// askAgain is for a snapshot whose commit has failed.
func (t *tracker) askAgain(asked []chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = append(t.asked, asked...)
	t.dirty = true
}

// base is the first unsettled offset.
func (t *tracker) base() int64 {
	if len(t.entries) > 0 {
		return t.entries[0].offset
	}
	return t.high
}

// position returns the next offset to be read.
func (t *tracker) position() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next
}
