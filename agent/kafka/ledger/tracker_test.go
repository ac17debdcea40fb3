package ledger

import (
	"reflect"
	"runtime"
	"testing"
)

var runsZero = Place{"runs", 0}

// ledger is what a commit says beyond its offset, to write down and to compare.
type ledger struct {
	high, vouched int64
	entries       []entry
}

// entry is an unsettled event of a ledger.
type entry struct {
	offset  int64
	started bool
}

// commit is the commit of p at offset base that says l.
func (l ledger) commit(p Place, base int64) Commit {
	k := known{high: l.high, vouched: l.vouched}
	for _, e := range l.entries {
		stage := Waiting
		if e.started {
			stage = Started
		}
		k.entries = append(k.entries, &Entry{offset: e.offset, stage: stage})
	}
	return k.encode(p, base)
}

// plain takes what decode returns.
func plain(k known, err error) (ledger, error) {
	l := ledger{high: k.high, vouched: k.vouched}
	for _, e := range k.entries {
		l.entries = append(l.entries, entry{e.offset, e.Interrupted})
	}
	return l, err
}

// clean is the commit of a partition in which nothing is unsettled.
func clean(p Place, offset int64) Commit { return ledger{high: offset}.commit(p, offset) }

// tracked resumes at offset base with l.
func tracked(t *testing.T, base int64, l ledger) *Tracker {
	t.Helper()
	tr, _, err := Resume(runsZero, l.commit(runsZero, base))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// arrival is what an owner does with a record that it has read.
type arrival string

const (
	arrivedNew         arrival = "to be handled"
	arrivedSettled     arrival = "settled"
	arrivedInterrupted arrival = "interrupted"
)

func arrivalOf(e *Entry) arrival {
	switch {
	case e == nil:
		return arrivedSettled
	case e.Interrupted:
		return arrivedInterrupted
	default:
		return arrivedNew
	}
}

// read adds offset and fails unless it arrives as want.
func read(t *testing.T, tr *Tracker, offset int64, want arrival) *Entry {
	t.Helper()
	e, gone := tr.Add(offset)
	if got := arrivalOf(e); got != want || gone != 0 {
		t.Fatalf("Add(%d): got %s and %d gone, want %s and none", offset, got, gone, want)
	}
	return e
}

// committed takes the tracker's snapshot, which must differ from the last one,
// and gives it as the offset and its ledger.
func committed(t *testing.T, tr *Tracker) (int64, ledger) {
	t.Helper()
	cm := mustSnapshot(t, tr).Commit
	l, err := plain(decode(runsZero, cm))
	if err != nil {
		t.Fatal(err)
	}
	return cm.Offset, l
}

// nextOwner takes the partition over.
func nextOwner(t *testing.T, tr *Tracker) *Tracker {
	t.Helper()
	base, l := committed(t, tr)
	return tracked(t, base, l)
}

func wantCommit(t *testing.T, tr *Tracker, offset int64, l ledger) {
	t.Helper()
	gotOffset, got := committed(t, tr)
	if gotOffset != offset || !reflect.DeepEqual(got, l) {
		t.Errorf("commit: got %d %v, want %d %v", gotOffset, got, offset, l)
	}
}

func TestTrackerCommits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		steps  func(tr *Tracker, e map[int64]*Entry) // after 10, 11, 13 (12 does not exist) were read
		offset int64
		l      ledger
	}{
		{"nothing settled", func(*Tracker, map[int64]*Entry) {},
			10, ledger{high: 14, entries: []entry{{10, false}, {11, false}, {13, false}}}},
		{"first settled", func(tr *Tracker, e map[int64]*Entry) { e[10].Settle() },
			11, ledger{high: 14, entries: []entry{{11, false}, {13, false}}}},
		{"second settled", func(tr *Tracker, e map[int64]*Entry) { e[11].Settle() },
			10, ledger{high: 14, entries: []entry{{10, false}, {13, false}}}},
		{"last settled", func(tr *Tracker, e map[int64]*Entry) { e[13].Settle() },
			10, ledger{high: 14, entries: []entry{{10, false}, {11, false}}}},
		{"gap before the first unsettled one", func(tr *Tracker, e map[int64]*Entry) { e[11].Settle(); e[10].Settle() },
			13, ledger{high: 14, entries: []entry{{13, false}}}},
		{"all settled", func(tr *Tracker, e map[int64]*Entry) { e[13].Settle(); e[10].Settle(); e[11].Settle() },
			14, ledger{high: 14}},
		{"settled twice", func(tr *Tracker, e map[int64]*Entry) { e[10].Settle(); e[10].Settle() },
			11, ledger{high: 14, entries: []entry{{11, false}, {13, false}}}},
		{"started", func(tr *Tracker, e map[int64]*Entry) { e[11].Mark(Started); e[13].Mark(Started) },
			10, ledger{high: 14, entries: []entry{{10, false}, {11, true}, {13, true}}}},
		{"started and taken back", func(tr *Tracker, e map[int64]*Entry) { e[11].Mark(Started); e[11].Mark(Waiting) },
			10, ledger{high: 14, entries: []entry{{10, false}, {11, false}, {13, false}}}},
		{"taken back after it settled", func(tr *Tracker, e map[int64]*Entry) { e[11].Settle(); e[11].Mark(Waiting) },
			10, ledger{high: 14, entries: []entry{{10, false}, {13, false}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tr := tracked(t, 10, ledger{high: 10})
			e := map[int64]*Entry{}
			for _, o := range []int64{10, 11, 13} {
				e[o] = read(t, tr, o, arrivedNew)
			}
			tc.steps(tr, e)
			wantCommit(t, tr, tc.offset, tc.l)
			if s := tr.Snapshot(false); s != nil {
				t.Errorf("committed again without a change: %v", s.Commit)
			}
			tr.Skip(0) // nothing, but has it committed again
			wantCommit(t, tr, tc.offset, tc.l)
		})
	}
}

// TestTrackerOffsetAlone commits a ledger also where nothing is unsettled: that
// there is none means that somebody else has moved the offset.
func TestTrackerOffsetAlone(t *testing.T) {
	t.Parallel()
	tr := tracked(t, 5, ledger{high: 5})
	if s := tr.Snapshot(false); s != nil {
		t.Errorf("a position that was committed is committed again: %v", s.Commit)
	}
	read(t, tr, 5, arrivedNew).Settle()
	if got, want := mustSnapshot(t, tr).Commit, clean(runsZero, 6); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func mustSnapshot(t *testing.T, tr *Tracker) *Snapshot {
	t.Helper()
	s := tr.Snapshot(false)
	if s == nil {
		t.Fatal("nothing to commit")
	}
	return s
}

func TestTrackerResumes(t *testing.T) {
	t.Parallel()
	tr := tracked(t, 10, ledger{high: 20, entries: []entry{{10, true}, {12, false}, {15, true}}})
	if s := tr.State(); s.Committed != 10 || s.Position != 10 || s.Window != 3 {
		t.Errorf("state: got %+v, want offset 10 and three unsettled", s)
	}
	ten := read(t, tr, 10, arrivedInterrupted)
	read(t, tr, 10, arrivedSettled) // read already: a reader that was opened anew may give a record again
	read(t, tr, 11, arrivedSettled)
	twelve := read(t, tr, 12, arrivedNew)
	read(t, tr, 14, arrivedSettled)
	fifteen := read(t, tr, 15, arrivedInterrupted)
	read(t, tr, 19, arrivedSettled)
	twenty := read(t, tr, 20, arrivedNew)
	wantCommit(t, tr, 10, ledger{high: 21, entries: []entry{{10, true}, {12, false}, {15, true}, {20, false}}})
	ten.Settle()
	fifteen.Mark(Waiting) // nothing of the second attempt was sent
	wantCommit(t, tr, 12, ledger{high: 21, entries: []entry{{12, false}, {15, false}, {20, false}}})
	twenty.Settle()
	fifteen.Settle()
	twelve.Settle()
	wantCommit(t, tr, 21, ledger{high: 21})
}

// TestTrackerInheritedTwice passes a partition on to a third owner; the second
// one read only a part of what the first one had left.
func TestTrackerInheritedTwice(t *testing.T) {
	t.Parallel()
	first := tracked(t, 0, ledger{})
	var e []*Entry
	for o := range int64(10) {
		e = append(e, read(t, first, o, arrivedNew))
	}
	e[0].Mark(Started)
	e[6].Mark(Started)
	for _, o := range []int64{1, 2, 5, 8} {
		e[o].Settle()
	}
	second := nextOwner(t, first)
	read(t, second, 0, arrivedInterrupted).Settle()
	for _, o := range []int64{1, 2} {
		read(t, second, o, arrivedSettled)
	}
	read(t, second, 3, arrivedNew).Mark(Started)
	wantCommit(t, second, 3, ledger{high: 10, entries: []entry{{3, true}, {4, false}, {6, true}, {7, false}, {9, false}}})

	second.Skip(0) // nothing, but has it committed again
	third := nextOwner(t, second)
	for _, step := range []struct {
		offset int64
		want   arrival
	}{{3, arrivedInterrupted}, {4, arrivedNew}, {5, arrivedSettled}, {6, arrivedInterrupted}, {7, arrivedNew}, {8, arrivedSettled}, {9, arrivedNew}, {10, arrivedNew}} {
		read(t, third, step.offset, step.want)
	}
}

// TestTrackerForgetsDeleted drops what the last owner left where its record
// has gone, and no more than that.
func TestTrackerForgetsDeleted(t *testing.T) {
	t.Parallel()
	left := ledger{high: 10, entries: []entry{{0, true}, {3, false}, {6, true}, {9, false}}}
	t.Run("by reading on", func(t *testing.T) {
		t.Parallel()
		tr := tracked(t, 0, left)
		zero := read(t, tr, 0, arrivedInterrupted)
		if e, gone := tr.Add(7); arrivalOf(e) != arrivedSettled || gone != 2 {
			t.Errorf("Add(7): got %s, %d gone, want settled, 2 gone", arrivalOf(e), gone)
		}
		wantCommit(t, tr, 0, ledger{high: 10, entries: []entry{{0, true}, {9, false}}})
		zero.Settle()
		wantCommit(t, tr, 9, ledger{high: 10, entries: []entry{{9, false}}})
		if e, gone := tr.Add(12); arrivalOf(e) != arrivedNew || gone != 1 {
			t.Errorf("Add(12): got %s, %d gone, want to be handled, 1 gone", arrivalOf(e), gone)
		}
		wantCommit(t, tr, 12, ledger{high: 13, entries: []entry{{12, false}}})
	})
	t.Run("by retention", func(t *testing.T) {
		t.Parallel()
		tr := tracked(t, 0, left)
		if got := tr.Skip(6); got != 2 {
			t.Errorf("skip(6): got %d gone, want 2", got)
		}
		wantCommit(t, tr, 6, ledger{high: 10, entries: []entry{{6, true}, {9, false}}})
		if next := tr.Position(); next != 6 {
			t.Errorf("next to read: got %d, want 6", next)
		}
		read(t, tr, 5, arrivedSettled)
		read(t, tr, 6, arrivedInterrupted)
	})
	t.Run("by retention beyond all that was read", func(t *testing.T) {
		t.Parallel()
		tr := tracked(t, 0, left)
		if got := tr.Skip(50); got != 4 {
			t.Errorf("skip(50): got %d gone, want 4", got)
		}
		wantCommit(t, tr, 50, ledger{high: 50})
		read(t, tr, 50, arrivedNew)
	})
	t.Run("but not backwards", func(t *testing.T) {
		t.Parallel()
		tr := tracked(t, 20, ledger{high: 20})
		if got := tr.Skip(3); got != 0 {
			t.Errorf("skip(3): got %d gone, want none", got)
		}
		wantCommit(t, tr, 20, ledger{high: 20})
		read(t, tr, 19, arrivedSettled)
	})
}

func TestTrackerWindowOfEvents(t *testing.T) {
	t.Parallel()
	tr := tracked(t, 0, ledger{})
	var e []*Entry
	for o := range int64(maxUnsettled) {
		if tr.Full() {
			t.Fatalf("full with %d unsettled events", o)
		}
		e = append(e, read(t, tr, o, arrivedNew))
	}
	if !tr.Full() {
		t.Fatalf("not full with %d unsettled events", maxUnsettled)
	}
	e[maxUnsettled/2].Settle()
	if tr.Full() {
		t.Fatal("still full after one settled")
	}
	if cm := mustSnapshot(t, tr); len(cm.Metadata) > brokerLimit {
		t.Errorf("metadata of %d bytes", len(cm.Metadata))
	}
}

func TestTrackerWindowOfOffsets(t *testing.T) {
	t.Parallel()
	tr := tracked(t, 0, ledger{})
	first := read(t, tr, 0, arrivedNew)
	read(t, tr, maxSpan-2, arrivedNew)
	if tr.Full() {
		t.Fatal("full before the reading was that far ahead")
	}
	last := read(t, tr, maxSpan+5<<40, arrivedNew) // behind a gap
	if !tr.Full() {
		t.Fatal("not full though the reading is far ahead")
	}
	if cm := mustSnapshot(t, tr); len(cm.Metadata) > brokerLimit {
		t.Errorf("metadata of %d bytes", len(cm.Metadata))
	}
	last.Settle()
	if !tr.Full() {
		t.Error("not full though the first event is unsettled still")
	}
	first.Settle()
	if !tr.Full() {
		t.Error("not full though the second event is far behind too")
	}
}

func TestTrackerWindowOfOffsetsExactly(t *testing.T) {
	t.Parallel()
	tr := tracked(t, 0, ledger{})
	first := read(t, tr, 0, arrivedNew)
	read(t, tr, maxSpan-1, arrivedNew)
	if !tr.Full() {
		t.Error("not full with the whole span read")
	}
	first.Settle()
	if tr.Full() {
		t.Error("still full after the first event settled")
	}
}

// TestTrackerFullWindowInherited reads on where the last owner left a full
// window: nothing in it can settle before it is read again.
func TestTrackerFullWindowInherited(t *testing.T) {
	t.Parallel()
	left := tracked(t, 0, ledger{})
	for o := range int64(maxUnsettled) {
		read(t, left, o, arrivedNew)
	}
	tr := nextOwner(t, left)
	var first *Entry
	for o := range int64(maxUnsettled) {
		if tr.Full() {
			t.Fatalf("full before offset %d of the last owner's was read again", o)
		}
		if e := read(t, tr, o, arrivedNew); o == 0 {
			first = e
		}
	}
	if !tr.Full() {
		t.Fatal("not full though all of the last owner's are under way")
	}
	first.Settle()
	read(t, tr, maxUnsettled, arrivedNew)
	if !tr.Full() {
		t.Error("not full after another one was read")
	}
}

// TestTrackerWindowInheritedAndDeleted reads past a window of which nothing
// exists any more.
func TestTrackerWindowInheritedAndDeleted(t *testing.T) {
	t.Parallel()
	l := ledger{high: maxUnsettled}
	for o := range int64(maxUnsettled) {
		l.entries = append(l.entries, entry{offset: o})
	}
	tr := tracked(t, 0, l)
	if e, gone := tr.Add(maxUnsettled + 10); arrivalOf(e) != arrivedNew || gone != maxUnsettled {
		t.Errorf("got %s, %d gone, want to be handled, %d gone", arrivalOf(e), gone, maxUnsettled)
	}
	if tr.Full() {
		t.Error("full with one unsettled event")
	}
}

// TestTrackerStaysSmall settles a hundred thousand events behind one that is
// not settled.
func TestTrackerStaysSmall(t *testing.T) {
	const events = 100_000
	tr := tracked(t, 0, ledger{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	first := read(t, tr, 0, arrivedNew)
	for o := range int64(events) {
		if tr.Full() {
			t.Fatalf("full at offset %d with one unsettled event", o)
		}
		e, _ := tr.Add(o + 1)
		e.Settle()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes kept", grown)
	}
	wantCommit(t, tr, 0, ledger{high: events + 1, entries: []entry{{0, false}}})
	first.Settle()
	wantCommit(t, tr, events+1, ledger{high: events + 1})
}

// TestEntryStart asks for a commit with each mark, and again where that commit
// has failed.
func TestEntryStart(t *testing.T) {
	t.Parallel()
	tr := tracked(t, 0, ledger{})
	first, second := read(t, tr, 0, arrivedNew), read(t, tr, 1, arrivedNew)
	before, one := first.Start()
	if before != Waiting {
		t.Errorf("stage before the first start: got %d, want %d", before, Waiting)
	}
	snapshot := mustSnapshot(t, tr)
	_, two := second.Start()
	snapshot.Failed()
	wantOpen(t, one, two)
	snapshot = mustSnapshot(t, tr)
	before, again := first.Start() // its mark is in the snapshot, and proves nothing any more
	if before != Started {
		t.Errorf("stage before the second start: got %d, want %d", before, Started)
	}
	snapshot.Accepted()
	<-one
	<-two
	wantOpen(t, again)
	mustSnapshot(t, tr).Accepted()
	<-again
	first.Mark(Following)
	first.Mark(Waiting)
	if before, _ = first.Start(); before != Following {
		t.Errorf("stage of an event whose pipeline is followed: got %d, want %d", before, Following)
	}
	wantCommit(t, tr, 0, ledger{high: 2, entries: []entry{{0, true}, {1, true}}})
}

func wantOpen(t *testing.T, accepted ...<-chan struct{}) {
	t.Helper()
	for i, ch := range accepted {
		select {
		case <-ch:
			t.Errorf("start %d is accepted before a commit with its mark is", i)
		default:
		}
	}
}
