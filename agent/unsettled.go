package agent

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unsettled keeps when each unsettled event arrived, for two gauges: how many
// there are and how old the oldest is.
type unsettled struct {
	mu      sync.Mutex
	next    uint64
	oldestN uint64
	arrived map[uint64]time.Time
}

// add notes an arrival; done takes it back.
func (u *unsettled) add(at time.Time) (done func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.arrived == nil {
		u.arrived = make(map[uint64]time.Time)
	}
	id := u.next
	u.next++
	u.arrived[id] = at
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.arrived, id)
	}
}

// age is how long the oldest unsettled event has been here.
func (u *unsettled) age() time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	for ; u.oldestN < u.next; u.oldestN++ { // ids rise with time: the first that is left is the oldest
		if at, ok := u.arrived[u.oldestN]; ok {
			return time.Since(at)
		}
	}
	return 0
}

func (u *unsettled) count() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "port_agent", Name: "unsettled_events",
		Help: "Events taken from the source that are not settled yet."}, func() float64 {
		u.mu.Lock()
		defer u.mu.Unlock()
		return float64(len(u.arrived))
	})
}

func (u *unsettled) oldest() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "port_agent", Name: "oldest_unsettled_seconds",
		Help: "Age of the oldest unsettled event, 0 where there is none."}, func() float64 { return u.age().Seconds() })
}
