package ledger

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
)

// model is a partition seen by somebody with all the time and memory there is:
// it keeps the state of every offset that was read and is not settled, and
// works everything out anew whenever it is asked. It stands for the partition
// as a whole, so that it outlives its owners.
type model struct {
	log       []int64         // offsets that exist, ascending
	unsettled map[int64]Stage // of the offsets below high
	high      int64
	vouched   int64 // offsets from here on are vouched for
}

func (m *model) clone() *model {
	return &model{log: m.log, unsettled: maps.Clone(m.unsettled), high: m.high, vouched: m.vouched}
}

// base is the first offset that is not settled.
func (m *model) base() int64 {
	base := m.high
	for o := range m.unsettled {
		base = min(base, o)
	}
	return base
}

// ledger is what a commit has to say beyond the base.
func (m *model) ledger() ledger {
	l := ledger{high: m.high}
	if m.vouched > m.base() {
		l.vouched = m.vouched
	}
	for _, o := range slices.Sorted(maps.Keys(m.unsettled)) {
		l.entries = append(l.entries, entry{o, m.unsettled[o] == Started})
	}
	return l
}

// read tells how the record at offset arrives, after all before it were read.
func (m *model) read(offset int64) arrival {
	if offset >= m.high {
		m.high = offset + 1
		m.unsettled[offset] = Waiting
		return arrivedNew
	}
	switch s, ok := m.unsettled[offset]; {
	case !ok:
		return arrivedSettled
	case s == Started:
		return arrivedInterrupted
	default:
		return arrivedNew
	}
}

// pass settles what next, the first record from offset on, leaves behind.
func (m *model) pass(offset, next int64) (gone int) {
	for o := range m.unsettled {
		if o >= offset && o < next {
			delete(m.unsettled, o)
			gone++
		}
	}
	return gone
}

// rig drives a tracker and the model side by side, with a broker that keeps
// the last commit and what was true when it was made.
type rig struct {
	t     *testing.T
	rng   *rand.Rand
	now   *model
	tr    *Tracker
	next  int64    // the offset from which the owner reads
	work  []*Entry // handed out and not settled, ascending
	last  Commit   // the last snapshot, committed or not
	saved *model   // the truth at the broker's commit
	at    Commit   // the broker's commit
	end   int64    // of the log that there is so far: more is written as time passes
	sent  map[int64]bool
}

func newRig(t *testing.T, seed uint64) *rig {
	rng := rand.New(rand.NewPCG(seed, 1))
	m := &model{unsettled: map[int64]Stage{}}
	offset, far := int64(rng.IntN(3)), rng.Int64N(2)*2*maxSpan
	for range 5000 {
		m.log = append(m.log, offset)
		switch rng.IntN(60) {
		case 0:
			offset += rng.Int64N(far + 1) // a compacted part, or one that a transaction took back
		case 2, 3, 4:
			offset += rng.Int64N(5)
		}
		offset++
	}
	return &rig{t: t, rng: rng, now: m, tr: tracked(t, 0, ledger{}), saved: m.clone(),
		last: clean(runsZero, 0), at: clean(runsZero, 0), sent: map[int64]bool{}}
}

// read reads the next record, unless the window is full.
func (r *rig) read() {
	r.checkFull()
	i, _ := slices.BinarySearch(r.now.log, r.next)
	if r.tr.Full() || i == len(r.now.log) {
		return
	}
	offset := r.now.log[i]
	wantGone := r.now.pass(r.next, offset)
	want := r.now.read(offset)
	e, gone := r.tr.Add(offset)
	got := arrivalOf(e)
	if got != want || gone != wantGone {
		r.t.Fatalf("Add(%d): got %s, %d gone, want %s, %d gone", offset, got, gone, want, wantGone)
	}
	if got == arrivedNew && r.sent[offset] && r.tr.Vouches(offset) {
		r.t.Fatalf("offset %d: its request may have been sent, and it arrives as new and vouched for", offset)
	}
	if got, want := r.tr.Vouches(offset), offset >= r.now.vouched; got != want {
		r.t.Fatalf("offset %d is vouched for: got %v, want %v", offset, got, want)
	}
	r.next = offset + 1
	r.end = max(r.end, r.next)
	if e != nil {
		r.work = append(r.work, e)
	}
}

// checkFull compares the window with its two bounds.
func (r *rig) checkFull() {
	base := r.now.base()
	want := len(r.now.unsettled) == len(r.work) && // none is still to be read again
		(len(r.work) >= maxUnsettled || len(r.work) > 0 && r.next-base >= maxSpan)
	if got := r.tr.Full(); got != want {
		r.t.Fatalf("full: got %v, want %v with %d unsettled from %d to %d", got, want, len(r.now.unsettled), base, r.next)
	}
}

// pick chooses one of the events under way, often the first one so that the
// committed offset moves. It gives -1 where there is none.
func (r *rig) pick() int {
	if len(r.work) == 0 || r.rng.IntN(3) == 0 {
		return min(0, len(r.work)-1)
	}
	return r.rng.IntN(len(r.work))
}

func (r *rig) mark(s Stage) {
	if i := r.pick(); i >= 0 {
		r.work[i].Mark(s)
		r.now.unsettled[r.work[i].offset] = s
		if s == Waiting {
			delete(r.sent, r.work[i].offset) // nothing was carried out
		}
	}
}

func (r *rig) settle() {
	if i := r.pick(); i >= 0 {
		r.work[i].Settle()
		delete(r.now.unsettled, r.work[i].offset)
		r.work = slices.Delete(r.work, i, i+1)
	}
}

// commit takes a snapshot, which the broker may not accept.
func (r *rig) commit(accepted bool) {
	base, want := r.now.base(), r.now.ledger()
	snapshot, cm := r.tr.Snapshot(false), r.last
	if snapshot != nil {
		cm = snapshot.Commit
	}
	got, err := plain(decode(runsZero, cm))
	if err != nil || cm.Offset != base || !reflect.DeepEqual(got, want) {
		r.t.Fatalf("commit (changed %v): got %d %v, %v, want %d %v", snapshot != nil, cm.Offset, got, err, base, want)
	}
	if len(cm.Metadata) > brokerLimit {
		r.t.Fatalf("metadata of %d bytes", len(cm.Metadata))
	}
	r.last = cm
	if snapshot == nil {
		return
	}
	if !accepted {
		snapshot.Failed()
		return
	}
	snapshot.Accepted()
	if cm.Offset < r.at.Offset {
		r.t.Fatalf("committed offset went back from %d to %d", r.at.Offset, cm.Offset)
	}
	r.at, r.saved = cm, r.now.clone()
	for o, s := range r.now.unsettled {
		if s == Started {
			r.sent[o] = true
		}
	}
}

// crash hands the partition to a new owner, who knows the broker's commit and
// nothing else. What happened since is not on record, so that it counts as not
// having happened.
func (r *rig) crash() {
	tr, _, err := Resume(runsZero, r.at)
	if err != nil {
		vouched := max(r.at.Offset, r.end)
		tr = Begin(runsZero, r.at.Offset, vouched)
		r.saved = &model{log: r.now.log, unsettled: map[int64]Stage{}, high: r.at.Offset, vouched: vouched}
	}
	r.tr, r.next, r.last = tr, r.at.Offset, r.at
	r.now = r.saved.clone()
	r.work = nil
}

// meddle does to the broker's commit what operators, their tools and other
// programs do while no agent is there, and lets the next owner begin.
func (r *rig) meddle() {
	r.end += r.rng.Int64N(50)
	switch r.rng.IntN(4) {
	case 0: // offset and no metadata
		r.at = Commit{Offset: r.rng.Int64N(r.end + 1)}
	case 1: // a moved offset that keeps its metadata
		r.at.Offset = r.rng.Int64N(r.end + 1)
	case 2: // the text of another partition
		r.at.Metadata = r.saved.ledger().commit(Place{"runs", 1}, r.saved.base()).Metadata
	case 3: // damaged
		n := r.rng.IntN(len(r.at.Metadata) + 1)
		r.at.Metadata = r.at.Metadata[:n] + "A"
	}
	r.crash()
}

// lose deletes the first records of the log, as retention does, or one in the
// middle, as compaction does. The owner learns of it when it takes over or
// reads.
func (r *rig) lose() {
	i, _ := slices.BinarySearch(r.now.log, r.saved.base())
	n := min(r.rng.IntN(20), len(r.now.log)-i)
	if r.rng.IntN(2) == 0 {
		r.now.log = slices.Concat(r.now.log[:i], r.now.log[i+n:])
	} else if i += r.rng.IntN(50); i < len(r.now.log) {
		r.now.log = slices.Concat(r.now.log[:i], r.now.log[i+1:])
	}
	r.saved.log = r.now.log
}

// skip begins at the first record that is left, as the taking over of a
// partition does where retention was faster.
func (r *rig) skip() {
	i, _ := slices.BinarySearch(r.now.log, r.next)
	if i == len(r.now.log) {
		return
	}
	first := r.now.log[i]
	want := r.now.pass(r.next, first)
	if got := r.tr.Skip(first); got != want {
		r.t.Fatalf("Skip(%d): got %d gone, want %d", first, got, want)
	}
	r.now.high = max(r.now.high, first)
	r.next = first
}

// TestTrackerAgainstModel plays random lives of a partition: reading, marks,
// settling out of order, commits that are refused, owners that die at any
// point, records that vanish, commits that are moved or altered.
func TestTrackerAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			newRig(t, seed).live(2500)
		})
	}
}

// live makes random steps. Some owners settle faster than they read, some so
// slowly that the window fills, some die young.
func (r *rig) live(steps int) {
	reads, crashes := 30+r.rng.IntN(65), r.rng.IntN(12)
	rest := 100 - reads
	for range steps {
		if r.rng.IntN(2000) < crashes {
			r.meddle()
		}
		if r.rng.IntN(1000) < crashes {
			r.crash()
			if r.rng.IntN(2) == 0 {
				r.skip()
			}
		}
		switch n := r.rng.IntN(100); {
		case n < reads:
			r.read()
		case n < reads+rest/2:
			r.settle()
		case n < reads+rest*2/3:
			r.mark(Started)
		case n < reads+rest*3/4:
			r.mark(Waiting)
		case n < 99:
			r.commit(r.rng.IntN(4) > 0)
		case r.rng.IntN(4) == 0:
			r.lose()
		}
		if got, want := r.tr.State().Window, len(r.now.unsettled); got != want {
			r.t.Fatalf("%d unsettled events, want %d", got, want)
		}
	}
}
