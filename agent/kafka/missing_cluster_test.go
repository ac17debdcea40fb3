package kafka

import (
	"testing"
)

// One of the two topics does not exist. The other is read all the same, and the
// missing one once it exists.
func TestOneTopicIsMissing(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string]int{"runs": 0, "changes": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, cfg := openCluster(t)
			late, there := cfg.topics()[missing], cfg.topics()[1-missing]
			create := func(topic string) {
				if err := c.CreateTopic(t.Context(), topic, 2); err != nil {
					t.Fatal(err)
				}
			}
			create(there)
			produce(t, c, there, 0, records("a", 5)...)
			w, got := watchCommits(t, c, cfg), newSeen()
			start(t, cfg, w.handler(got, nil))
			wantOnce(t, "the topic that exists", got.wait(t, 5), 5)
			create(late)
			produce(t, c, late, 1, records("b", 5)...)
			produce(t, c, there, 1, records("c", 5)...)
			wantOnce(t, "both topics", got.wait(t, 15), 15)
		})
	}
}
