package kafka

import (
	"reflect"
	"runtime"
	"testing"
)

// read adds offset and fails unless it arrives as want.
func read(t *testing.T, tr *tracker, offset int64, want arrival) *tracked {
	t.Helper()
	e, got, gone := tr.add(offset)
	if got != want || gone != 0 {
		t.Fatalf("add(%d): got arrival %d and %d gone, want arrival %d and none", offset, got, gone, want)
	}
	if (e == nil) != (want == arrivedSettled) {
		t.Fatalf("add(%d): got entry %v with arrival %d", offset, e, got)
	}
	return e
}

// committed takes the tracker's snapshot, which must differ from the last one,
// and gives it as the offset and its ledger.
func committed(t *testing.T, tr *tracker) (int64, ledger) {
	t.Helper()
	cm, _, changed := tr.snapshot()
	if !changed {
		t.Fatal("nothing to commit")
	}
	l, err := decodeLedger(runsZero, cm.offset, cm.metadata)
	if err != nil {
		t.Fatal(err)
	}
	return cm.offset, l
}

// nextOwner takes the partition over.
func nextOwner(t *testing.T, tr *tracker) *tracker {
	t.Helper()
	base, l := committed(t, tr)
	return newTracker(runsZero, base, l)
}

func wantCommit(t *testing.T, tr *tracker, offset int64, l ledger) {
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
		steps  func(tr *tracker, e map[int64]*tracked) // after 10, 11, 13 (12 does not exist) were read
		offset int64
		l      ledger
	}{
		{"nothing settled", func(*tracker, map[int64]*tracked) {},
			10, ledger{high: 14, entries: []entry{{10, false}, {11, false}, {13, false}}}},
		{"first settled", func(tr *tracker, e map[int64]*tracked) { tr.settle(e[10]) },
			11, ledger{high: 14, entries: []entry{{11, false}, {13, false}}}},
		{"second settled", func(tr *tracker, e map[int64]*tracked) { tr.settle(e[11]) },
			10, ledger{high: 14, entries: []entry{{10, false}, {13, false}}}},
		{"last settled", func(tr *tracker, e map[int64]*tracked) { tr.settle(e[13]) },
			10, ledger{high: 14, entries: []entry{{10, false}, {11, false}}}},
		{"gap before the first unsettled one", func(tr *tracker, e map[int64]*tracked) { tr.settle(e[11]); tr.settle(e[10]) },
			13, ledger{high: 14, entries: []entry{{13, false}}}},
		{"all settled", func(tr *tracker, e map[int64]*tracked) { tr.settle(e[13]); tr.settle(e[10]); tr.settle(e[11]) },
			14, ledger{high: 14}},
		{"settled twice", func(tr *tracker, e map[int64]*tracked) { tr.settle(e[10]); tr.settle(e[10]) },
			11, ledger{high: 14, entries: []entry{{11, false}, {13, false}}}},
		{"started", func(tr *tracker, e map[int64]*tracked) { tr.mark(e[11], started); tr.mark(e[13], started) },
			10, ledger{high: 14, entries: []entry{{10, false}, {11, true}, {13, true}}}},
		{"started and taken back", func(tr *tracker, e map[int64]*tracked) { tr.mark(e[11], started); tr.mark(e[11], waiting) },
			10, ledger{high: 14, entries: []entry{{10, false}, {11, false}, {13, false}}}},
		{"taken back after it settled", func(tr *tracker, e map[int64]*tracked) { tr.settle(e[11]); tr.mark(e[11], waiting) },
			10, ledger{high: 14, entries: []entry{{10, false}, {13, false}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tr := newTracker(runsZero, 10, ledger{high: 10})
			e := map[int64]*tracked{}
			for _, o := range []int64{10, 11, 13} {
				e[o] = read(t, tr, o, arrivedNew)
			}
			tc.steps(tr, e)
			wantCommit(t, tr, tc.offset, tc.l)
			if cm, _, changed := tr.snapshot(); changed {
				t.Errorf("committed again without a change: %v", cm)
			}
			tr.ask()
			wantCommit(t, tr, tc.offset, tc.l)
		})
	}
}

// TestTrackerOffsetAlone commits a ledger also where nothing is unsettled: that
// there is none means that somebody else has moved the offset.
func TestTrackerOffsetAlone(t *testing.T) {
	t.Parallel()
	tr := newTracker(runsZero, 5, ledger{high: 5})
	if cm, _, changed := tr.snapshot(); changed {
		t.Errorf("a position that was committed is committed again: %v", cm)
	}
	tr.settle(read(t, tr, 5, arrivedNew))
	if got, want := mustSnapshot(t, tr), clean(runsZero, 6); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func mustSnapshot(t *testing.T, tr *tracker) commit {
	t.Helper()
	cm, _, changed := tr.snapshot()
	if !changed {
		t.Fatal("nothing to commit")
	}
	return cm
}

func TestTrackerResumes(t *testing.T) {
	t.Parallel()
	tr := newTracker(runsZero, 10, ledger{high: 20, entries: []entry{{10, true}, {12, false}, {15, true}}})
	if s := tr.state(); s.Committed != 10 || s.Position != 10 || s.Window != 3 {
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
	tr.settle(ten)
	tr.mark(fifteen, waiting) // nothing of the second attempt was sent
	wantCommit(t, tr, 12, ledger{high: 21, entries: []entry{{12, false}, {15, false}, {20, false}}})
	tr.settle(twenty)
	tr.settle(fifteen)
	tr.settle(twelve)
	wantCommit(t, tr, 21, ledger{high: 21})
}

// TestTrackerInheritedTwice passes a partition on to a third owner; the second
// one read only a part of what the first one had left.
func TestTrackerInheritedTwice(t *testing.T) {
	t.Parallel()
	first := newTracker(runsZero, 0, ledger{})
	var e []*tracked
	for o := range int64(10) {
		e = append(e, read(t, first, o, arrivedNew))
	}
	first.mark(e[0], started)
	first.mark(e[6], started)
	for _, o := range []int64{1, 2, 5, 8} {
		first.settle(e[o])
	}
	second := nextOwner(t, first)
	second.settle(read(t, second, 0, arrivedInterrupted))
	for _, o := range []int64{1, 2} {
		read(t, second, o, arrivedSettled)
	}
	second.mark(read(t, second, 3, arrivedNew), started)
	wantCommit(t, second, 3, ledger{high: 10, entries: []entry{{3, true}, {4, false}, {6, true}, {7, false}, {9, false}}})

	second.ask()
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
		tr := newTracker(runsZero, 0, left)
		zero := read(t, tr, 0, arrivedInterrupted)
		if e, a, gone := tr.add(7); e != nil || a != arrivedSettled || gone != 2 {
			t.Errorf("add(7): got %v, %d, %d gone, want no entry, settled, 2 gone", e, a, gone)
		}
		wantCommit(t, tr, 0, ledger{high: 10, entries: []entry{{0, true}, {9, false}}})
		tr.settle(zero)
		wantCommit(t, tr, 9, ledger{high: 10, entries: []entry{{9, false}}})
		if e, a, gone := tr.add(12); e == nil || a != arrivedNew || gone != 1 {
			t.Errorf("add(12): got %v, %d, %d gone, want an entry, new, 1 gone", e, a, gone)
		}
		wantCommit(t, tr, 12, ledger{high: 13, entries: []entry{{12, false}}})
	})
	t.Run("by retention", func(t *testing.T) {
		t.Parallel()
		tr := newTracker(runsZero, 0, left)
		if got := tr.skip(6); got != 2 {
			t.Errorf("skip(6): got %d gone, want 2", got)
		}
		wantCommit(t, tr, 6, ledger{high: 10, entries: []entry{{6, true}, {9, false}}})
		if next := tr.position(); next != 6 {
			t.Errorf("next to read: got %d, want 6", next)
		}
		read(t, tr, 5, arrivedSettled)
		read(t, tr, 6, arrivedInterrupted)
	})
	t.Run("by retention beyond all that was read", func(t *testing.T) {
		t.Parallel()
		tr := newTracker(runsZero, 0, left)
		if got := tr.skip(50); got != 4 {
			t.Errorf("skip(50): got %d gone, want 4", got)
		}
		wantCommit(t, tr, 50, ledger{high: 50})
		read(t, tr, 50, arrivedNew)
	})
	t.Run("but not backwards", func(t *testing.T) {
		t.Parallel()
		tr := newTracker(runsZero, 20, ledger{high: 20})
		if got := tr.skip(3); got != 0 {
			t.Errorf("skip(3): got %d gone, want none", got)
		}
		wantCommit(t, tr, 20, ledger{high: 20})
		read(t, tr, 19, arrivedSettled)
	})
}

func TestTrackerWindowOfEvents(t *testing.T) {
	t.Parallel()
	tr := newTracker(runsZero, 0, ledger{})
	var e []*tracked
	for o := range int64(maxUnsettled) {
		if tr.full() {
			t.Fatalf("full with %d unsettled events", o)
		}
		e = append(e, read(t, tr, o, arrivedNew))
	}
	if !tr.full() {
		t.Fatalf("not full with %d unsettled events", maxUnsettled)
	}
	tr.settle(e[maxUnsettled/2])
	if tr.full() {
		t.Fatal("still full after one settled")
	}
	if cm := mustSnapshot(t, tr); len(cm.metadata) > maxLedgerBytes {
		t.Errorf("metadata of %d bytes", len(cm.metadata))
	}
}

func TestTrackerWindowOfOffsets(t *testing.T) {
	t.Parallel()
	tr := newTracker(runsZero, 0, ledger{})
	first := read(t, tr, 0, arrivedNew)
	read(t, tr, maxSpan-2, arrivedNew)
	if tr.full() {
		t.Fatal("full before the reading was that far ahead")
	}
	last := read(t, tr, maxSpan+5<<40, arrivedNew) // behind a gap
	if !tr.full() {
		t.Fatal("not full though the reading is far ahead")
	}
	if cm := mustSnapshot(t, tr); len(cm.metadata) > maxLedgerBytes {
		t.Errorf("metadata of %d bytes", len(cm.metadata))
	}
	tr.settle(last)
	if !tr.full() {
		t.Error("not full though the first event is unsettled still")
	}
	tr.settle(first)
	if !tr.full() {
		t.Error("not full though the second event is far behind too")
	}
}

func TestTrackerWindowOfOffsetsExactly(t *testing.T) {
	t.Parallel()
	tr := newTracker(runsZero, 0, ledger{})
	first := read(t, tr, 0, arrivedNew)
	read(t, tr, maxSpan-1, arrivedNew)
	if !tr.full() {
		t.Error("not full with the whole span read")
	}
	tr.settle(first)
	if tr.full() {
		t.Error("still full after the first event settled")
	}
}

// TestTrackerFullWindowInherited reads on where the last owner left a full
// window: nothing in it can settle before it is read again.
func TestTrackerFullWindowInherited(t *testing.T) {
	t.Parallel()
	left := newTracker(runsZero, 0, ledger{})
	for o := range int64(maxUnsettled) {
		read(t, left, o, arrivedNew)
	}
	tr := nextOwner(t, left)
	var first *tracked
	for o := range int64(maxUnsettled) {
		if tr.full() {
			t.Fatalf("full before offset %d of the last owner's was read again", o)
		}
		if e := read(t, tr, o, arrivedNew); o == 0 {
			first = e
		}
	}
	if !tr.full() {
		t.Fatal("not full though all of the last owner's are under way")
	}
	tr.settle(first)
	read(t, tr, maxUnsettled, arrivedNew)
	if !tr.full() {
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
	tr := newTracker(runsZero, 0, l)
	if e, a, gone := tr.add(maxUnsettled + 10); e == nil || a != arrivedNew || gone != maxUnsettled {
		t.Errorf("got %v, %d, %d gone, want an entry, new, %d gone", e, a, gone, maxUnsettled)
	}
	if tr.full() {
		t.Error("full with one unsettled event")
	}
}

// TestTrackerStaysSmall settles a hundred thousand events behind one that is
// not settled.
func TestTrackerStaysSmall(t *testing.T) {
	const events = 100_000
	tr := newTracker(runsZero, 0, ledger{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	first := read(t, tr, 0, arrivedNew)
	for o := range int64(events) {
		if tr.full() {
			t.Fatalf("full at offset %d with one unsettled event", o)
		}
		e, _, _ := tr.add(o + 1)
		tr.settle(e)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes kept", grown)
	}
	wantCommit(t, tr, 0, ledger{high: events + 1, entries: []entry{{0, false}}})
	tr.settle(first)
	wantCommit(t, tr, events+1, ledger{high: events + 1})
}
