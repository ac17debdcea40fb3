package ledger

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Stage is how far an unsettled event has come.
type Stage uint8

const (
	Waiting   Stage = iota // nothing of it has been sent
	Started                // a byte of its request may have left
	Following              // carried out; its pipeline is followed, which may take hours
)

// Entry is an unsettled event. Its methods are safe for concurrent use.
type Entry struct {
	// Interrupted means that an earlier owner has started the event. Its end is
	// not known.
	Interrupted bool

	tracker *Tracker
	offset  int64
	stage   Stage // guarded by the tracker's mutex
}

// Tracker keeps what is known of one partition for its present owner. It is safe
// for concurrent use.
//
// Only unsettled events have an entry: below the high offset, what has no entry
// is settled. Entries from the next offset on are the last owner's, and were not
// read again yet.
type Tracker struct {
	place Place

	mu    sync.Mutex
	known                 // high is of this owner or the last
	next  int64           // the offset that this owner reads next, at the least
	dirty bool            // differs from what was committed last
	asked []chan struct{} // to close once the next snapshot is committed

	end, lag, before int64 // as in State
	later            int64 // the lag that is the next to be before
	laterAt          time.Time
}

// Begin starts at offset without the ledger of an earlier owner. Events before
// vouched were in the log already, and may have been worked on. There is a
// snapshot at once, so that the offset is committed before anything is read.
func Begin(p Place, offset, vouched int64) *Tracker {
	return &Tracker{place: p, known: known{high: offset, vouched: vouched}, next: offset, end: -1, dirty: true}
}

// Resume continues from the last owner's commit. Offsets from read on were never
// read. Metadata of another writer, version or place, metadata that was cut, and
// none at all are errors.
func Resume(p Place, c Commit) (t *Tracker, read int64, err error) {
	k, err := decode(p, c)
	if err != nil {
		return nil, c.Offset, err
	}
	return &Tracker{place: p, known: k, next: c.Offset, end: -1}, k.high, nil
}

// Vouches reports whether the ledger covers the event at offset: no owner has
// worked on it unless its Entry is Interrupted.
func (t *Tracker) Vouches(offset int64) bool { return offset >= t.vouched }

// Position returns the next offset to be read.
func (t *Tracker) Position() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next
}

// Add notes that offset was read. It returns the entry of an event that is to be
// handled, and nil for one that is settled or was read before. gone counts events
// that the last owner left unsettled and whose records no longer exist: retention
// or a compaction has removed them.
func (t *Tracker) Add(offset int64) (e *Entry, gone int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if offset < t.next {
		return nil, 0
	}
	gone = t.passBy(offset)
	t.next = offset + 1
	if offset >= t.high {
		t.high = offset + 1
		t.entries = append(t.entries, &Entry{offset: offset})
		t.dirty = true
	}
	i, unsettled := t.find(offset)
	if !unsettled {
		return nil, gone
	}
	t.entries[i].tracker = t
	return t.entries[i], gone
}

// Skip moves the reading to offset because the records before it no longer
// exist, or are not wanted. It counts the events that were left unsettled among
// them.
func (t *Tracker) Skip(offset int64) (gone int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone = t.passBy(offset)
	t.next = max(t.next, offset)
	t.high = max(t.high, offset)
	t.dirty = true
	return gone
}

// passBy settles the entries from the next offset to offset.
func (t *Tracker) passBy(offset int64) (gone int) {
	from, _ := t.find(t.next)
	to, _ := t.find(max(t.next, offset))
	t.remove(from, to)
	return to - from
}

// find returns where the entry of offset is, or would be.
func (t *Tracker) find(offset int64) (i int, found bool) {
	return slices.BinarySearchFunc(t.entries, offset, func(e *Entry, o int64) int { return cmp.Compare(e.offset, o) })
}

func (t *Tracker) remove(from, to int) {
	t.entries = slices.Delete(t.entries, from, to)
	t.dirty = t.dirty || from < to
}

// Settle notes that nothing is left to do for the event.
func (e *Entry) Settle() {
	t := e.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, found := t.find(e.offset); found {
		t.remove(i, i+1)
	}
}

// Mark sets the event's stage. One that is followed stays followed.
func (e *Entry) Mark(s Stage) {
	e.tracker.mu.Lock()
	defer e.tracker.mu.Unlock()
	e.mark(s)
}

func (e *Entry) mark(s Stage) {
	if e.stage != Following && e.stage != s {
		e.stage = s
		e.tracker.dirty = true
	}
}

// Start marks the event as started, and has a snapshot taken even where it was
// before. accepted is closed once one that was taken after the call is committed.
func (e *Entry) Start() (before Stage, accepted <-chan struct{}) {
	t, done := e.tracker, make(chan struct{})
	t.mu.Lock()
	defer t.mu.Unlock()
	before = e.stage
	e.mark(Started)
	t.asked = append(t.asked, done)
	t.dirty = true
	return before, done
}

// Full reports whether the window of unsettled events is full, so that nothing
// more may be read. It never is while events of the last owner are to be read
// again: they are counted already and settle only once they are read. A record
// beyond them takes the place of those that were passed by.
func (t *Tracker) Full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.full()
}

func (t *Tracker) full() bool {
	n := len(t.entries)
	if n == 0 || t.entries[n-1].offset >= t.next {
		return false
	}
	return n >= maxUnsettled || t.next-t.entries[0].offset >= maxSpan
}

// Snapshot is what is to be committed. The caller calls either Accepted or Failed,
// once.
type Snapshot struct {
	Commit
	tracker *Tracker
	asked   []chan struct{}
}

// Snapshot returns nil if nothing has changed since the last one, unless it is
// wanted anyway.
func (t *Tracker) Snapshot(anyway bool) *Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.dirty && !anyway {
		return nil
	}
	s := &Snapshot{t.encode(t.place, t.base()), t, t.asked}
	t.asked, t.dirty = nil, false
	return s
}

// Accepted notes that s is committed.
func (s *Snapshot) Accepted() {
	for _, accepted := range s.asked {
		close(accepted)
	}
}

// Failed notes that s is not committed: there will be another snapshot, even if
// nothing changes.
func (s *Snapshot) Failed() {
	t := s.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked, t.dirty = append(t.asked, s.asked...), true
}

// base is the first unsettled offset.
func (t *Tracker) base() int64 {
	if len(t.entries) > 0 {
		return t.entries[0].offset
	}
	return t.high
}
