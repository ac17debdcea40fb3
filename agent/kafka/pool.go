package kafka

// maxIdle is how many goroutines a pool keeps, a few kilobytes each.
const maxIdle = 128

// pool runs functions beside their callers, on goroutines that it keeps for
// those that come next: an event takes deep stacks, which a new goroutine would
// have to grow to again. It is safe for concurrent use.
type pool struct {
	work chan func()
	idle chan struct{} // holds one element per goroutine that is kept
}

func newPool() *pool {
	return &pool{work: make(chan func()), idle: make(chan struct{}, maxIdle)}
}

// run calls f on another goroutine and does not wait for it.
func (p *pool) run(f func()) {
	select {
	case p.work <- f:
	default:
		go p.loop(f)
	}
}

// loop calls f and what it is given after, until enough others are idle.
func (p *pool) loop(f func()) {
	for more := true; more; {
		f()
		select {
		case p.idle <- struct{}{}:
		default:
			return
		}
		f, more = <-p.work
		<-p.idle
	}
}

// close ends the goroutines that are idle, and the others when they are done.
// Nothing may be run after.
func (p *pool) close() { close(p.work) }
