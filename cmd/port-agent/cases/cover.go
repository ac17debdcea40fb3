package cases

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"port-agent/cmd/port-agent/explanation"
	"port-agent/cmd/terminal"
	"port-agent/transform"
)

// coverage counts, for each mapping file, what the cases made use of.
type coverage map[string]*covered

type covered struct {
	rules    []*transform.Rule
	chosen   []bool
	reported []bool // its report was evaluated
}

func (c coverage) count(m *transform.Mapping, v *explanation.View, answered bool) {
	of := c[m.File()]
	if of == nil {
		of = &covered{m.Rules(), make([]bool, m.Len()), make([]bool, m.Len())}
		c[m.File()] = of
	}
	if v.Rule == nil {
		return
	}
	of.chosen[*v.Rule] = true
	if answered && v.Report != nil {
		of.reported[*v.Rule] = true
	}
}

// print names the rules that no case chose and the report fields that no case
// evaluated.
func (c coverage) print(w io.Writer) {
	for _, file := range sortedKeys(c) {
		of := c[file]
		n := 0
		for _, on := range of.chosen {
			if on {
				n++
			}
		}
		fmt.Fprintf(w, "%s: %d of %s chosen\n", file, n, terminal.Count(len(of.rules), "rule"))
		for i, r := range of.rules {
			fields := r.ReportFields()
			slices.Sort(fields)
			switch {
			case !of.chosen[i]:
				fmt.Fprintf(w, "    rule %s: never chosen\n", r.Label())
			case !of.reported[i] && len(fields) > 0:
				fmt.Fprintf(w, "    rule %s: report %s: never evaluated, no case has a response\n", r.Label(), strings.Join(fields, ", "))
			}
		}
	}
}
