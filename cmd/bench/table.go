package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"text/tabwriter"
)

// freeAddress returns an address of the loopback interface that nobody listens
// on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// column is one figure of the table.
type column struct {
	name string
	of   func(figure) float64
	form string
}

var columns = []column{
	{"events/s", func(f figure) float64 { return f.EventsPerS }, "%.0f"},
	{"http/s", func(f figure) float64 { return f.HTTPPerS }, "%.0f"},
	{"CPU ms/run", func(f figure) float64 { return f.CPUPerRun }, "%.3f"},
	{"peak MiB", func(f figure) float64 { return f.PeakMiB }, "%.1f"},
	{"allowed MiB", func(f figure) float64 { return f.MostMiB }, "%.0f"},
	{"idle MiB", func(f figure) float64 { return f.IdleMiB }, "%.1f"},
	{"ready s", func(f figure) float64 { return f.ReadyS }, "%.2f"},
	{"in flight", func(f figure) float64 { return float64(f.InFlight) }, "%.0f"},
	{"Port calls/run", func(f figure) float64 { return f.CallsToRun }, "%.2f"},
	{"conns backend", func(f figure) float64 { return float64(f.SinkConns) }, "%.0f"},
	{"conns Port", func(f figure) float64 { return float64(f.PortConns) }, "%.0f"},
	{"p50 ms", func(f figure) float64 { return f.P50Ms }, "%.2f"},
	{"p95 ms", func(f figure) float64 { return f.P95Ms }, "%.2f"},
	{"p99 ms", func(f figure) float64 { return f.P99Ms }, "%.2f"},
}

// spread is the minimum, the median and the maximum of the rounds.
func spread(values []float64) (least, median, most float64) {
	values = slices.Sorted(slices.Values(values))
	return values[0], values[len(values)/2], values[len(values)-1]
}

// printTable prints, for each case and figure, the first contestant's rounds
// and their ratio to the other's of the same round.
func printTable(out io.Writer, figures []figure) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	defer t.Flush()
	fmt.Fprintln(t, "case\tfigure\tmin\tmedian\tmax\tof\tmin\tmedian\tmax\t")
	var cases []string
	for _, f := range figures {
		if !slices.Contains(cases, f.Case) {
			cases = append(cases, f.Case)
		}
	}
	for _, name := range cases {
		for _, c := range columns {
			printRow(t, name, c, figures)
		}
	}
}

func printRow(t io.Writer, name string, c column, figures []figure) {
	var first, other []float64
	var who, of string
	for _, f := range figures {
		switch {
		case f.Case != name:
		case who == "" || f.Contestant == who:
			first, who = append(first, c.of(f)), f.Contestant
		default:
			other, of = append(other, c.of(f)), f.Contestant
		}
	}
	if len(first) == 0 || slices.Max(first) == 0 {
		return
	}
	least, median, most := spread(first)
	form := "%s\t%s\t" + c.form + "\t" + c.form + "\t" + c.form + "\t"
	fmt.Fprintf(t, form, name, c.name, least, median, most)
	if len(other) == len(first) && slices.Min(other) > 0 {
		ratios := make([]float64, len(first))
		for i := range first {
			ratios[i] = first[i] / other[i]
		}
		least, median, most = spread(ratios)
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.2f\t", of, least, median, most)
	} else {
		fmt.Fprint(t, "\t\t\t\t")
	}
	fmt.Fprintln(t)
}
