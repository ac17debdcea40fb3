package agent

import (
	"cmp"
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
	before <-chan struct{} // closed once nobody is before
	leave  func()          // lets the next go on, though not before all who joined earlier have left
}

// nobody is the end of an empty line.
var nobody = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func newOrder() *order { return &order{last: map[string]chan struct{}{}} }

// join takes the last place in the line of key. The turn has to be left, more
// than once is no matter.
func (o *order) join(key string) *turn {
	if key == "" {
		return &turn{before: nobody, leave: func() {}}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	before, done := cmp.Or(o.last[key], nobody), make(chan struct{})
	o.last[key] = done
	finish := func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.last[key] == done {
			delete(o.last, key) // nobody is behind
		}
		close(done)
	}
	return &turn{before: before, leave: sync.OnceFunc(func() {
		select {
		case <-before:
			finish()
		default: // gave up before its turn came: whoever is behind still has to wait for it
			go func() {
				<-before
				finish()
			}()
		}
	})}
}

// wait returns when all who joined before have left, or else with the cause of
// ctx's end.
func (t *turn) wait(ctx context.Context) error {
	select {
	case <-t.before:
		return nil
	default:
	}
	select {
	case <-t.before:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
