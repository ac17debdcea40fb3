package kafka

import (
	"sort"
	"testing"

	"port-agent/agent/kafka/ledger"
)

// window is how many events of a partition may be unsettled at a time.
const window = 1000

var (
	runsZero = ledger.Place{Topic: "runs", Partition: 0}
	runsOne  = ledger.Place{Topic: "runs", Partition: 1}
)

// left is what a commit leaves to the partition's next owner.
type left struct {
	high    int64 // offsets from here on were never read
	vouched int64 // the first offset that the ledger vouches for, 0: it vouches for all
	entries []entry
}

// entry is an unsettled event.
type entry struct {
	offset  int64
	started bool
}

// at is the commit of p at offset that leaves l.
func (l left) at(p ledger.Place, offset int64) ledger.Commit {
	tr := ledger.Begin(p, offset, l.vouched)
	for _, e := range l.entries {
		if ev, _ := tr.Add(e.offset); e.started {
			ev.Mark(ledger.Started)
		}
	}
	tr.Skip(l.high)
	return tr.Snapshot(false).Commit
}

// leftBy takes p over from cm, and reads all that there was to read.
func leftBy(t *testing.T, p ledger.Place, cm ledger.Commit) left {
	t.Helper()
	tr, high, err := ledger.Resume(p, cm)
	if err != nil {
		t.Fatal(err)
	}
	l := left{high: high}
	if !tr.Vouches(cm.Offset) {
		l.vouched = cm.Offset + int64(sort.Search(1000, func(n int) bool { return tr.Vouches(cm.Offset + int64(n)) }))
	}
	for o := cm.Offset; o < l.high; o++ {
		if e, _ := tr.Add(o); e != nil {
			l.entries = append(l.entries, entry{o, e.Interrupted})
		}
	}
	return l
}

// clean is the commit of a partition in which nothing is unsettled.
func clean(p ledger.Place, offset int64) ledger.Commit { return left{high: offset}.at(p, offset) }

// again is what tr would commit now, whether or not it has changed.
func again(tr *ledger.Tracker) ledger.Commit { return tr.Snapshot(true).Commit }

// resumed takes p over where the last owner committed offset and left l.
func resumed(t *testing.T, p ledger.Place, offset int64, l left) *ledger.Tracker {
	t.Helper()
	tr, _, err := ledger.Resume(p, l.at(p, offset))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}
