// This program prints the names and labels of the agent's metrics as JSON. It
// runs in the agent's module: the chart's tests import nothing of it.
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

// registry keeps the labels of what is registered, by name.
type registry struct {
	prometheus.Registerer
	labels map[string][]string
}

func (r registry) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		ch := make(chan *prometheus.Desc)
		go func() {
			defer close(ch)
			c.Describe(ch)
		}()
		for desc := range ch {
			r.add(desc.String())
		}
	}
}

func (r registry) add(desc string) {
	m := form.FindStringSubmatch(desc)
	if m == nil {
		log.Fatalf("a description has another form: %s", desc)
	}
	names := strings.FieldsFunc(m[3], func(c rune) bool { return c == ',' || c == ' ' })
	for _, c := range label.FindAllStringSubmatch(m[2], -1) {
		names = append(names, c[1])
	}
	r.labels[m[1]] = names
}

func main() {
	r := registry{labels: map[string][]string{}}
	agent.NewMetrics(r, "test")
	if err := json.NewEncoder(os.Stdout).Encode(r.labels); err != nil {
		log.Fatal(err)
	}
}
