package agent

import (
	"container/list"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unsettled keeps when each unsettled event arrived, in the order in which they
// did, for two gauges: how many there are and how old the oldest is.
type unsettled struct {
	mu      sync.Mutex
	arrived list.List // of time.Time
}

// add notes an arrival; done takes it back.
func (u *unsettled) add(at time.Time) (done func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	e := u.arrived.PushBack(at)
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.arrived.Remove(e)
	}
}

// age is how long the oldest unsettled event has been here.
func (u *unsettled) age() time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	oldest := u.arrived.Front()
	if oldest == nil {
		return 0
	}
	return time.Since(oldest.Value.(time.Time))
}

func (u *unsettled) count() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "port_agent", Name: "unsettled_events",
		Help: "Events taken from the source that are not settled yet."}, func() float64 {
		u.mu.Lock()
		defer u.mu.Unlock()
		return float64(u.arrived.Len())
	})
}

func (u *unsettled) oldest() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "port_agent", Name: "oldest_unsettled_seconds",
		Help: "Age of the oldest unsettled event, 0 where there is none."}, func() float64 { return u.age().Seconds() })
}
