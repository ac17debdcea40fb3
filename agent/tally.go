package agent

import (
	"sync"
	"time"
)

// tallyTime is how long events of a kind are counted before the log says how
// many there were.
const tallyTime = 30 * time.Second

// tallies keeps what happens to thousands of events at once from becoming
// thousands of lines in the log. The zero value is ready, and safe for
// concurrent use.
type tallies struct {
	mu sync.Mutex
	n  map[string]int // by kind, while they are counted
}

// first counts an event of kind and reports whether its line is to be logged:
// for the first one it is. rest is called after tallyTime with the number of
// those that followed, unless there were none.
func (t *tallies) first(kind string, rest func(n int)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int{}
	}
	if _, counting := t.n[kind]; counting {
		t.n[kind]++
		return false
	}
	t.n[kind] = 0
	time.AfterFunc(tallyTime, func() {
		t.mu.Lock()
		n := t.n[kind]
		delete(t.n, kind)
		t.mu.Unlock()
		if n > 0 {
			rest(n)
		}
	})
	return true
}
