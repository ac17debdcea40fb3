package jq

import (
	"context"
	"fmt"
	"time"
)

// What one evaluation may take. Events are some kilobytes and mappings some
// dozens of steps, so these are two to three orders of magnitude above what
// any mapping needs; they are there for the expression that never ends and for
// the event that was made to hurt.
const (
	maxSteps  = 500_000  // of the interpreter, and of work that counts as such
	maxBytes  = 40 << 20 // made in all, whether still in use or not
	stepBytes = 64       // what the interpreter itself may make in one step
	maxDepth  = 1000     // of a value that is given back
	// maxDirectText bounds, in bytes, the text that is searched where nothing
	// is counted.
	maxDirectText = 4096

	maxBigDigits = 10_000 // of an integer that is given back: printing takes more than linear time

	// An evaluation beyond either of these is heavy. Heavy ones run one at a
	// time, which bounds what many of them take together; the others, which
	// is to say nearly all, pay nothing for that.
	heavySteps = 4_000
	heavyBytes = 256 << 10

	checkEvery = 128 // steps between two looks at the clock
)

var (
	errSteps = fmt.Errorf("takes more than %d steps", maxSteps)
	errBytes = fmt.Errorf("makes more than %d MiB of values", maxBytes>>20)
	errDepth = fmt.Errorf("a value is nested more than %d levels deep", maxDepth)

	errDigits = fmt.Errorf("a number has more than %d digits", maxBigDigits)
)

// run is the account of one evaluation. It is the context that the interpreter
// is given: the interpreter asks it at each instruction whether to go on,
// which makes it the place to count, and the one way to stop an expression
// that catches its errors.
type run struct {
	context.Context // of the caller

	env      *Environment
	deadline time.Time
	holds    bool // the place of the heavy evaluation
	steps    int
	next     int // steps at which to look at the clock again
	bytes    int
	err      error // what has ended the evaluation; once set it stays
}

// stopped is the result of Done for an evaluation that has to end.
var stopped = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done counts one step of the interpreter.
func (r *run) Done() <-chan struct{} {
	if r.work(1) != nil {
		return stopped
	}
	return nil
}

// Err returns what has ended the evaluation.
func (r *run) Err() error { return r.err }

// check looks at all bounds. Time that is spent waiting for other heavy
// evaluations does not count.
func (r *run) check() error {
	if r.err != nil {
		return r.err
	}
	r.next = r.steps + checkEvery
	now := time.Now()
	switch {
	case r.Context.Err() != nil:
		r.err = context.Cause(r.Context)
	case r.steps > maxSteps:
		r.err = errSteps
	case r.bytes+stepBytes*r.steps > maxBytes:
		r.err = errBytes
	case now.After(r.deadline):
		r.err = fmt.Errorf("takes longer than %v", r.env.timeout)
	case !r.holds && (r.steps > heavySteps || r.bytes > heavyBytes):
		r.wait(now)
	}
	return r.err
}

func (r *run) wait(since time.Time) {
	select {
	case r.env.heavy <- struct{}{}:
		r.holds = true
		r.deadline = r.deadline.Add(time.Since(since))
	case <-r.Context.Done():
		r.err = context.Cause(r.Context)
	}
}

// work counts n units of work, each about what one step of the interpreter
// takes, before it is done.
func (r *run) work(n int) error {
	r.steps += max(0, n)
	if r.steps < r.next && r.err == nil {
		return nil
	}
	return r.check()
}

// make counts n bytes, and the work to fill them, before they are made.
func (r *run) make(n int) error {
	if r.bytes += max(0, n); r.bytes > heavyBytes {
		r.next = 0
	}
	return r.work(n / 256)
}

// fail ends the evaluation for good: the error cannot be caught.
func (r *run) fail(err error) error {
	if r.err == nil {
		r.err = err
	}
	return r.err
}
