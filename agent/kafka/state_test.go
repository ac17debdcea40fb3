package kafka

import (
	"errors"
	"reflect"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"port-agent/agent"
	"port-agent/agent/kafka/ledger"
)

// TestStateOfPartitions lists what the member has by topic and number.
func TestStateOfPartitions(t *testing.T) {
	t.Parallel()
	s := &Source{cfg: Config{GroupID: "group"}}
	trackers := map[ledger.Place]*ledger.Tracker{}
	for _, p := range []ledger.Place{{Topic: "org.runs", Partition: 10}, {Topic: "org.runs", Partition: 9}, {Topic: "org.change.log", Partition: 3}} {
		trackers[p] = ledger.Begin(p, 100, 100)
	}
	s.enter(7, trackers)
	want := State{Group: "group", Generation: 7, Partitions: []ledger.State{
		{Topic: "org.change.log", Partition: 3, Committed: 100, Position: 100, End: -1},
		{Topic: "org.runs", Partition: 9, Committed: 100, Position: 100, End: -1},
		{Topic: "org.runs", Partition: 10, Committed: 100, Position: 100, End: -1},
	}}
	if got := s.State(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestStateNamesTheFault keeps why the group is not joined until it is.
func TestStateNamesTheFault(t *testing.T) {
	t.Parallel()
	s := &Source{metrics: agent.NewMetrics(prometheus.NewRegistry(), "test")}
	connected := s.metrics.SourceConnected
	s.setJoined(false, errors.New("connection refused"))
	if got := s.State(); got.Error != "connection refused" || s.Ready() || testutil.ToFloat64(connected) != 0 {
		t.Errorf("got %+v, want the reason", got)
	}
	s.setJoined(true, nil)
	if got := s.State(); got.Error != "" || !s.Ready() || testutil.ToFloat64(connected) != 1 {
		t.Errorf("got %+v, want no reason once it has joined", got)
	}
}
