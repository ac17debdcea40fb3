package kafka

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"port-agent/agent"
	"port-agent/agent/kafka/kafkatest"
)

// TestVouched has twenty events settled, lets somebody touch the group's commit
// while no agent is there, and looks at what the next owner says of the events
// that it is given: none that was settled may be vouched for.
func TestVouched(t *testing.T) {
	t.Parallel()
	const n = 20
	for _, tc := range []struct {
		name   string
		meddle func(c *kafkatest.Cluster, cfg *Config, was kafkatest.Commit) (kafkatest.Commit, bool)
		again  []int // those of the n that come again
	}{
		{"nothing was touched", nil, nil},
		{"operator resets", func(*kafkatest.Cluster, *Config, kafkatest.Commit) (kafkatest.Commit, bool) {
			return kafkatest.Commit{Offset: 15}, true
		}, []int{15, 16, 17, 18, 19}},
		{"offset past the end", func(_ *kafkatest.Cluster, _ *Config, was kafkatest.Commit) (kafkatest.Commit, bool) {
			return kafkatest.Commit{Offset: 500, Metadata: was.Metadata}, true
		}, nil},
		{"moved text", func(_ *kafkatest.Cluster, _ *Config, was kafkatest.Commit) (kafkatest.Commit, bool) {
			return kafkatest.Commit{Offset: 18, Metadata: was.Metadata}, true
		}, []int{18, 19}},
		{"foreign metadata", func(*kafkatest.Cluster, *Config, kafkatest.Commit) (kafkatest.Commit, bool) {
			return kafkatest.Commit{Offset: 17, Metadata: "consumer-7"}, true
		}, []int{17, 18, 19}},
		{"new group", func(_ *kafkatest.Cluster, cfg *Config, _ kafkatest.Commit) (kafkatest.Commit, bool) {
			cfg.GroupID += ".other"
			return kafkatest.Commit{}, false
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, cfg := openCluster(t)
			createTopics(t, c, cfg, 1)
			settled := newSeen()
			first := start(t, cfg, settling(settled))
			produce(t, c, cfg.RunsTopic, 0, records("", n)...)
			settled.wait(t, n)
			first.stop()
			all := tc.again
			if tc.meddle != nil {
				commits, err := c.Committed(t.Context(), cfg.GroupID, cfg.RunsTopic)
				if err != nil {
					t.Fatal(err)
				}
				commit, set := tc.meddle(c, &cfg, commits[0])
				if set {
					if err := c.SetCommit(t.Context(), cfg.GroupID, cfg.RunsTopic, 0, commit); err != nil {
						t.Fatal(err)
					}
				}
				if len(all) == 0 {
					for i := range n {
						all = append(all, i)
					}
				}
			}
			var want []string
			for _, i := range all {
				want = append(want, fmt.Sprintf("%d vouched=false", i))
			}

			// An owner that dies before it has settled anything leaves a ledger, which
			// must not vouch for more than the owner itself did.
			left := newSeen()
			second := start(t, cfg, func(ctx context.Context, ev *agent.Event) error {
				left.add(said(ev))
				<-ctx.Done()
				return context.Cause(ctx)
			})
			if len(all) > 0 {
				left.wait(t, len(all))
			}
			waitFor(t, second.Ready)
			second.stop()

			again := newSeen()
			third := start(t, cfg, settling(again))
			waitFor(t, third.Ready)
			produce(t, c, cfg.RunsTopic, 0, []byte("new"))
			want = append(want, "new vouched=true")
			got := again.wait(t, len(want))
			third.stop()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func said(ev *agent.Event) string { return fmt.Sprintf("%s vouched=%t", ev.Record, ev.Vouched) }

func settling(s *seen) Handler {
	return func(ctx context.Context, ev *agent.Event) error {
		if err := ev.Ledger.Start(ctx); err != nil {
			return err
		}
		s.add(said(ev))
		return nil
	}
}
