package kafka

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/rs/zerolog"
)

func TestResume(t *testing.T) {
	t.Parallel()
	left := ledger{high: 60, entries: []entry{{50, true}, {55, false}}} // what the last owner left at 50
	const noPin = -1
	for _, tc := range []struct {
		name      string
		committed commit
		log       bounds
		toEnd     bool

		next    int64  // the first offset to be read
		pinned  int64  // the offset to commit at once, or noPin
		ledger  ledger // with it, or with the next commit
		message string // in the agent's log; empty: none
	}{
		{"nothing committed, from the beginning", commit{offset: -1}, bounds{10, 100}, false,
			10, 10, ledger{high: 10, vouched: 100}, "no committed offset found, starting position set"},
		{"nothing committed, from the end", commit{offset: -1}, bounds{10, 100}, true,
			100, 100, ledger{high: 100}, "no committed offset found, starting position set"},
		{"nothing committed to an empty log", commit{offset: -1}, bounds{0, 0}, true,
			0, 0, ledger{high: 0}, "no committed offset found, starting position set"},
		{"committed", clean(runsZero, 50), bounds{10, 100}, false,
			50, noPin, ledger{high: 50}, ""},
		{"committed, the end counts only where nothing is", clean(runsZero, 50), bounds{10, 100}, true,
			50, noPin, ledger{high: 50}, ""},
		{"committed at the beginning", clean(runsZero, 10), bounds{10, 100}, false,
			10, noPin, ledger{high: 10}, ""},
		{"committed at the end", clean(runsZero, 100), bounds{10, 100}, false,
			100, noPin, ledger{high: 100}, ""},
		{"committed with a ledger", commit{50, left.encode(runsZero, 50)}, bounds{10, 100}, false,
			50, noPin, left, ""},
		{"committed with a ledger that reaches the end", commit{50, left.encode(runsZero, 50)}, bounds{10, 60}, false,
			50, noPin, left, ""},
		{"metadata of another client", commit{50, "consumer-7"}, bounds{10, 100}, false,
			50, 50, ledger{high: 50, vouched: 100}, "committed offset has no ledger of this agent"},
		{"an operator's reset", commit{offset: 20}, bounds{10, 100}, false,
			20, 20, ledger{high: 20, vouched: 100}, "committed offset has no ledger of this agent"},
		{"a moved offset that kept its metadata", commit{20, left.encode(runsZero, 50)}, bounds{10, 100}, false,
			20, 20, ledger{high: 20, vouched: 100}, "committed offset has no ledger of this agent"},
		{"no ledger, and nothing behind it", commit{offset: 100}, bounds{10, 100}, false,
			100, 100, ledger{high: 100}, ""},
		{"metadata cut", commit{50, left.encode(runsZero, 50)[:9]}, bounds{10, 100}, false,
			50, 50, ledger{high: 50, vouched: 100}, "committed offset has no ledger of this agent"},
		{"committed beyond the end", clean(runsZero, 101), bounds{10, 100}, false,
			10, 10, ledger{high: 10, vouched: 100}, "committed offset is past the end of the log, starting at its beginning"},
		{"committed beyond the end, with a ledger, from the end", commit{50, left.encode(runsZero, 50)}, bounds{0, 3}, true,
			0, 0, ledger{high: 0, vouched: 3}, "committed offset is past the end of the log, starting at its beginning"},
		{"ledger beyond the end", commit{50, left.encode(runsZero, 50)}, bounds{0, 59}, false,
			0, 0, ledger{high: 0, vouched: 59}, "committed offset is past the end of the log, starting at its beginning"},
		{"first record after the committed offset", clean(runsZero, 50), bounds{70, 100}, false,
			70, 70, ledger{high: 70}, "records deleted by retention before they were read"},
		{"first record amid the ledger", commit{50, left.encode(runsZero, 50)}, bounds{53, 100}, false,
			53, 55, ledger{high: 60, entries: []entry{{55, false}}}, "records deleted by retention before they were read"},
		{"first record after the ledger", commit{50, left.encode(runsZero, 50)}, bounds{70, 100}, false,
			70, 70, ledger{high: 70}, "records deleted by retention before they were read"},
		{"all records deleted", commit{50, left.encode(runsZero, 50)}, bounds{100, 100}, false,
			100, 100, ledger{high: 100}, "records deleted by retention before they were read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			tr := resume(runsZero, tc.committed, tc.log, tc.toEnd, zerolog.New(&out))
			if next := tr.position(); next != tc.next {
				t.Errorf("first offset to be read: got %d, want %d", next, tc.next)
			}
			cm, _, changed := tr.snapshot()
			if changed != (tc.pinned != noPin) || changed && cm.offset != tc.pinned {
				t.Errorf("to be committed at once: got %v %v, want offset %d", changed, cm, tc.pinned)
			}
			tr.ask()
			if _, got := committed(t, tr); !reflect.DeepEqual(got, tc.ledger) {
				t.Errorf("ledger: got %v, want %v", got, tc.ledger)
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
