package cases

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"port-agent/cmd/port-agent/explanation"
	"port-agent/cmd/terminal"
	"port-agent/transform"
)

// coverage keeps, by mapping file, which rules the cases used.
type coverage map[string]*covered

type covered struct {
	rules            []*transform.Rule
	chosen, reported map[int]bool // by the index of a rule: its report was evaluated
}

func (c coverage) count(m *transform.Mapping, v *explanation.View, answered bool) {
	of := c[m.File]
	if of == nil {
		of = &covered{m.Rules, map[int]bool{}, map[int]bool{}}
		c[m.File] = of
	}
	if v.Rule != nil {
		of.chosen[*v.Rule] = true
		of.reported[*v.Rule] = of.reported[*v.Rule] || answered && v.Report != nil
	}
}

// print lists the rules that no case chose and the report fields that no case
// evaluated.
func (c coverage) print(w io.Writer) {
	for _, file := range slices.Sorted(maps.Keys(c)) {
		of := c[file]
		fmt.Fprintf(w, "%s: %d of %s chosen\n", file, len(of.chosen), terminal.Count(len(of.rules), "rule"))
		for i, r := range of.rules {
			fields := slices.Sorted(slices.Values(r.ReportFields()))
			switch {
			case !of.chosen[i]:
				fmt.Fprintf(w, "    rule %s: never chosen\n", r.Label())
			case !of.reported[i] && len(fields) > 0:
				fmt.Fprintf(w, "    rule %s: report %s: never evaluated, no case has a response\n", r.Label(), strings.Join(fields, ", "))
			}
		}
	}
}
