package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// known are the agent's metrics: by name, the labels and the values that each
// has from the start.
type known map[string]map[string][]string

// metrics asks the agent.
func metrics(t *testing.T) known {
	t.Helper()
	found, err := listMetrics()
	if err != nil {
		t.Fatalf("list the agent's metrics: %v", err)
	}
	if len(found) < 15 {
		t.Fatalf("got %d metrics, want more: %v", len(found), found)
	}
	return found
}

var listMetrics = sync.OnceValues(func() (known, error) {
	list := exec.Command("go", "run", "./charts/tests/testdata/metrics/main.go")
	list.Dir = "../.."
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, err
	}
	var found known
	return found, json.Unmarshal(out, &found)
})

// scraped are the labels that Prometheus adds to every series of a pod.
var scraped = []string{"namespace", "job", "pod"}

// check holds a query to PromQL and to the agent's metrics, and gives the
// names of those that it uses.
func (k known) check(query string) (used []string, err error) {
	query = strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*", "$pod", ".*").Replace(query)
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	var faults []error
	grouped := map[string]bool{"le": true}
	for _, l := range scraped {
		grouped[l] = true
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		name := selector.Name
		if k[name] == nil {
			name = strings.TrimSuffix(name, "_bucket")
		}
		if k[name] == nil {
			faults = append(faults, fmt.Errorf("the agent has no metric %s", selector.Name))
			return nil
		}
		used = append(used, name)
		for l := range k[name] {
			grouped[l] = true
		}
		for _, matcher := range selector.LabelMatchers {
			faults = append(faults, k.match(name, matcher))
		}
		return nil
	})
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if sum, ok := node.(*parser.AggregateExpr); ok {
			for _, l := range sum.Grouping {
				if !grouped[l] {
					faults = append(faults, fmt.Errorf("no metric of it has label %s", l))
				}
			}
		}
		return nil
	})
	if err := errors.Join(faults...); err != nil {
		return used, fmt.Errorf("%s: %w", query, err)
	}
	return used, nil
}

// match holds one matcher to the labels of a metric, and to their values where
// those are there from the start.
func (k known) match(name string, matcher *labels.Matcher) error {
	if matcher.Name == model.MetricNameLabel || slices.Contains(scraped, matcher.Name) {
		return nil
	}
	values, ok := k[name][matcher.Name]
	if !ok {
		return fmt.Errorf("%s has no label %s", name, matcher.Name)
	}
	for value := range strings.SplitSeq(matcher.Value, "|") {
		if len(values) > 0 && !slices.Contains(values, value) {
			return fmt.Errorf("%s has no %s=%q, only %q", name, matcher.Name, value, slices.Compact(slices.Sorted(slices.Values(values))))
		}
	}
	return nil
}

func TestCheckQuery(t *testing.T) {
	t.Parallel()
	k := known{"a": {"x": {"1", "2"}, "free": {}}}
	for query, good := range map[string]bool{
		`sum by (x, pod) (rate(a{x="1"}[$__rate_interval]))`: true,
		`rate(a_bucket{free="any", x=~"1|2"}[1m])`:           true,
		`b`:              false,
		`a{y="1"}`:       false,
		`a{x="3"}`:       false,
		`a{x=~"1|3"}`:    false,
		`sum by (y) (a)`: false,
		`sum(a`:          false,
	} {
		if _, err := k.check(query); (err == nil) != good {
			t.Errorf("%s: got error %v", query, err)
		}
	}
}
