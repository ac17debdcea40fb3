package agent

import (
	"context"
	"sync"
)

// order lets events of the same key run one after another, in the order in
// which they joined. Events without a key do not wait for anybody.
type order struct {
	mu   sync.Mutex
	last map[string]chan struct{} // the end of each line
}

// turn is an event's place in the line of its key.
type turn struct {
	o      *order
	key    string
	before <-chan struct{} // nil: nobody
	done   chan struct{}   // nil: no line
}

func newOrder() *order { return &order{last: map[string]chan struct{}{}} }

// join takes the last place in the line of key.
func (o *order) join(key string) *turn {
	if key == "" {
		return &turn{}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	t := &turn{o: o, key: key, done: make(chan struct{})}
	if last, ok := o.last[key]; ok {
		t.before = last
	}
	o.last[key] = t.done
	return t
}

// ready reports whether all who joined before have left.
func (t *turn) ready() bool { return t.before == nil || isClosed(t.before) }

// wait returns when all who joined before have left, or else with the cause of
// ctx's end. Either way the turn has to be left.
func (t *turn) wait(ctx context.Context) error {
	if t.ready() {
		return nil
	}
	select {
	case <-t.before:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leave lets the next go on, though not before all who joined earlier have
// left. It may be called more than once, by one goroutine at a time.
func (t *turn) leave() {
	if t.done == nil {
		return
	}
	o, key, before, done := t.o, t.key, t.before, t.done
	t.done = nil
	finish := func() {
		o.mu.Lock()
		if o.last[key] == done {
			delete(o.last, key) // nobody is behind
		}
		o.mu.Unlock()
		close(done)
	}
	if t.ready() {
		finish()
		return
	}
	go func() { // gave up before its turn came: whoever is behind still has to wait for it
		<-before
		finish()
	}()
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
