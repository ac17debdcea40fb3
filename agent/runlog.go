package agent

import (
	"context"
	"sync"
	"time"
)

// logTimeout bounds one call that adds to a run's log.
const logTimeout = 5 * time.Second

// runLog is the agent's end of one run's log at Port. Lines go out in order,
// one call at a time; what gathers during a call goes out with the next. A
// line that is lost is lost, and one that comes after the last is too late.
type runLog struct {
	reporter Reporter
	run      string // empty: nowhere to write to

	mu      sync.Mutex
	pending []LogLine
	closed  bool
	sending chan struct{} // closed when the present sender has finished; nil: nobody sends
}

// add sends a line beside the caller's work; the end of ctx does not stop it.
func (l *runLog) add(ctx context.Context, level, message string) {
	if l.run == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.pending = append(l.pending, LogLine{Level: level, Message: message})
	if l.sending == nil {
		l.sending = make(chan struct{})
		go l.send(context.WithoutCancel(ctx), l.sending)
	}
}

// note keeps a line that goes out with the next call.
func (l *runLog) note(level, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, LogLine{Level: level, Message: message})
}

// close sends the last line, and returns when it and all before it are out or
// lost, at the end of ctx at the latest.
func (l *runLog) close(ctx context.Context, level, message string) {
	if lines := l.finish(ctx, level, message); l.run != "" && ctx.Err() == nil {
		l.call(ctx, lines)
	}
}

// finish ends the log with a last line and returns what is still to be sent,
// which the caller does. A call that is under way has ended by then, or ctx has.
func (l *runLog) finish(ctx context.Context, level, message string) []LogLine {
	l.mu.Lock()
	lines := append(l.pending, LogLine{Level: level, Message: message})
	l.pending, l.closed = nil, true
	sending := l.sending
	l.mu.Unlock()
	if sending != nil {
		select {
		case <-sending:
		case <-ctx.Done():
		}
	}
	return lines
}

// send writes until nothing is pending.
func (l *runLog) send(ctx context.Context, done chan struct{}) {
	defer close(done)
	for {
		l.mu.Lock()
		lines := l.pending
		l.pending = nil
		if len(lines) == 0 {
			l.sending = nil
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		l.call(ctx, lines)
	}
}

func (l *runLog) call(ctx context.Context, lines []LogLine) {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	_ = l.reporter.Log(ctx, l.run, lines) // best effort: the reporter counts what is lost
}
