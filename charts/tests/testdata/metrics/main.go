// This program prints the agent's metrics as JSON: by name, and by label the
// values that are there from the start. It runs in the agent's module: the
// chart's tests import nothing of it.
package main

import (
	"encoding/json"
	"log"
	"os"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"port-agent/agent"
)

var (
	form  = regexp.MustCompile(`^Desc\{fqName: "([^"]+)".*constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	label = regexp.MustCompile(`(\w+)=`)
)

// list keeps name, label and values of what is registered with it.
type list map[string]map[string][]string

// registerer adds to a list what it registers.
type registerer struct {
	*prometheus.Registry
	list list
}

func (r registerer) MustRegister(collectors ...prometheus.Collector) {
	r.Registry.MustRegister(collectors...)
	for _, c := range collectors {
		ch := make(chan *prometheus.Desc)
		go func() {
			defer close(ch)
			c.Describe(ch)
		}()
		for desc := range ch {
			r.list.describe(desc.String())
		}
	}
}

func (l list) describe(desc string) {
	m := form.FindStringSubmatch(desc)
	if m == nil {
		log.Fatalf("a description has another form: %s", desc)
	}
	labels := map[string][]string{}
	for _, name := range strings.FieldsFunc(m[3], func(c rune) bool { return c == ',' || c == ' ' }) {
		labels[name] = []string{}
	}
	for _, c := range label.FindAllStringSubmatch(m[2], -1) {
		labels[c[1]] = []string{}
	}
	l[m[1]] = labels
}

func main() {
	r := registerer{prometheus.NewRegistry(), list{}}
	agent.NewMetrics(r, "test").PresetTopic("org.runs")
	families, err := r.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.Metric {
			for _, pair := range metric.Label {
				labels := r.list[family.GetName()]
				labels[pair.GetName()] = append(labels[pair.GetName()], pair.GetValue())
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(r.list); err != nil {
		log.Fatal(err)
	}
}
