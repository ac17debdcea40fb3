package kafka

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/rs/zerolog"

	"port-agent/agent/kafka/ledger"
)

func TestResume(t *testing.T) {
	t.Parallel()
	kept := left{high: 60, entries: []entry{{50, true}, {55, false}}} // what the last owner left at 50
	const noPin = -1
	for _, tc := range []struct {
		name      string
		committed ledger.Commit
		log       bounds
		toEnd     bool

		next    int64  // the first offset to be read
		pinned  int64  // the offset to commit at once, or noPin
		left    left   // with it, or with the next commit
		message string // in the agent's log; empty: none
	}{
		{"nothing committed, from the beginning", ledger.Commit{Offset: -1}, bounds{10, 100}, false,
			10, 10, left{high: 10, vouched: 100}, "no committed offset found, starting position set"},
		{"nothing committed, from the end", ledger.Commit{Offset: -1}, bounds{10, 100}, true,
			100, 100, left{high: 100}, "no committed offset found, starting position set"},
		{"nothing committed to an empty log", ledger.Commit{Offset: -1}, bounds{0, 0}, true,
			0, 0, left{high: 0}, "no committed offset found, starting position set"},
		{"committed", clean(runsZero, 50), bounds{10, 100}, false,
			50, noPin, left{high: 50}, ""},
		{"committed, the end counts only where nothing is", clean(runsZero, 50), bounds{10, 100}, true,
			50, noPin, left{high: 50}, ""},
		{"committed at the beginning", clean(runsZero, 10), bounds{10, 100}, false,
			10, noPin, left{high: 10}, ""},
		{"committed at the end", clean(runsZero, 100), bounds{10, 100}, false,
			100, noPin, left{high: 100}, ""},
		{"committed with a ledger", kept.at(runsZero, 50), bounds{10, 100}, false,
			50, noPin, kept, ""},
		{"committed with a ledger that reaches the end", kept.at(runsZero, 50), bounds{10, 60}, false,
			50, noPin, kept, ""},
		{"metadata of another client", ledger.Commit{Offset: 50, Metadata: "consumer-7"}, bounds{10, 100}, false,
			50, 50, left{high: 50, vouched: 100}, "committed offset has no ledger of this agent"},
		{"an operator's reset", ledger.Commit{Offset: 20}, bounds{10, 100}, false,
			20, 20, left{high: 20, vouched: 100}, "committed offset has no ledger of this agent"},
		{"a moved offset that kept its metadata", ledger.Commit{Offset: 20, Metadata: kept.at(runsZero, 50).Metadata}, bounds{10, 100}, false,
			20, 20, left{high: 20, vouched: 100}, "committed offset has no ledger of this agent"},
		{"no ledger, and nothing behind it", ledger.Commit{Offset: 100}, bounds{10, 100}, false,
			100, 100, left{high: 100}, ""},
		{"metadata cut", ledger.Commit{Offset: 50, Metadata: kept.at(runsZero, 50).Metadata[:9]}, bounds{10, 100}, false,
			50, 50, left{high: 50, vouched: 100}, "committed offset has no ledger of this agent"},
		{"committed beyond the end", clean(runsZero, 101), bounds{10, 100}, false,
			10, 10, left{high: 10, vouched: 100}, "committed offset is past the end of the log, starting at its beginning"},
		{"committed beyond the end, with a ledger, from the end", kept.at(runsZero, 50), bounds{0, 3}, true,
			0, 0, left{high: 0, vouched: 3}, "committed offset is past the end of the log, starting at its beginning"},
		{"ledger beyond the end", kept.at(runsZero, 50), bounds{0, 59}, false,
			0, 0, left{high: 0, vouched: 59}, "committed offset is past the end of the log, starting at its beginning"},
		{"first record after the committed offset", clean(runsZero, 50), bounds{70, 100}, false,
			70, 70, left{high: 70}, "records deleted by retention before they were read"},
		{"first record amid the ledger", kept.at(runsZero, 50), bounds{53, 100}, false,
			53, 55, left{high: 60, entries: []entry{{55, false}}}, "records deleted by retention before they were read"},
		{"first record after the ledger", kept.at(runsZero, 50), bounds{70, 100}, false,
			70, 70, left{high: 70}, "records deleted by retention before they were read"},
		{"all records deleted", kept.at(runsZero, 50), bounds{100, 100}, false,
			100, 100, left{high: 100}, "records deleted by retention before they were read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			tr := resume(runsZero, tc.committed, tc.log, tc.toEnd, zerolog.New(&out))
			if next := tr.Position(); next != tc.next {
				t.Errorf("first offset to be read: got %d, want %d", next, tc.next)
			}
			pinned := int64(noPin)
			if s := tr.Snapshot(false); s != nil {
				pinned = s.Offset
			}
			if pinned != tc.pinned {
				t.Errorf("to be committed at once: got offset %d, want %d", pinned, tc.pinned)
			}
			if got := leftBy(t, runsZero, again(tr)); !reflect.DeepEqual(got, tc.left) {
				t.Errorf("ledger: got %v, want %v", got, tc.left)
			}
			var line struct{ Message string }
			if out.Len() > 0 {
				if err := json.Unmarshal(out.Bytes(), &line); err != nil {
					t.Fatalf("log is not one line of JSON: %v: %s", err, out.Bytes())
				}
			}
			if line.Message != tc.message {
				t.Errorf("logged %q, want %q", line.Message, tc.message)
			}
		})
	}
}

func TestResetToEnd(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"earliest": false, "smallest": false, "beginning": false, "Earliest": false,
		"latest": true, "largest": true, "end": true, "LATEST": true,
	} {
		if got := (&Config{AutoOffsetReset: value}).resetToEnd(); got != want {
			t.Errorf("%s: got %v, want %v", value, got, want)
		}
	}
}
