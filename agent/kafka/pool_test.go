package kafka

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A burst larger than what is kept runs all at once; what comes after takes the
// goroutines that are there, and close ends them. A goroutine that was left
// would fail the bubble.
func TestPoolKeepsGoroutinesForWhatComesNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		var running, done atomic.Int64
		hold := make(chan struct{})
		burst := func(n int) {
			for range n {
				p.run(func() {
					running.Add(1)
					<-hold
					running.Add(-1)
					done.Add(1)
				})
			}
			synctest.Wait()
			if got := running.Load(); got != int64(n) {
				t.Fatalf("running at once: got %d, want %d", got, n)
			}
			close(hold)
			synctest.Wait()
			hold = make(chan struct{})
		}
		burst(2 * maxIdle)
		if got := len(p.idle); got != maxIdle {
			t.Errorf("kept: got %d, want %d", got, maxIdle)
		}
		burst(maxIdle / 2)
		burst(maxIdle + 1)
		if got, want := done.Load(), int64(3*maxIdle+maxIdle/2+1); got != want {
			t.Errorf("run: got %d, want %d", got, want)
		}
		p.close()
	})
}

// What still runs when the pool is closed runs to its end.
func TestPoolClosedWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool()
		hold, ended := make(chan struct{}), false
		p.run(func() {
			<-hold
			ended = true
		})
		p.close()
		close(hold)
		synctest.Wait()
		if !ended {
			t.Error("the function that ran when the pool was closed has not ended")
		}
	})
}
