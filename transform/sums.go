package transform

import (
	"maps"
	"math"
	"strings"

	"github.com/itchyny/gojq"
)

func appendLists(run *run, l, r []any) any {
	if len(l) == 0 {
		return r
	}
	if len(r) == 0 {
		return l
	}
	if err := run.make(listBytes * (len(l) + len(r))); err != nil {
		return err
	}
	return append(append(make([]any, 0, len(l)+len(r)), l...), r...)
}

func mergeObjects(run *run, l, r map[string]any) any {
	if len(l) == 0 {
		return r
	}
	if len(r) == 0 {
		return l
	}
	if err := run.make(objectBytes * (len(l) + len(r))); err != nil {
		return err
	}
	m := make(map[string]any, len(l)+len(r))
	maps.Copy(m, l)
	maps.Copy(m, r)
	return m
}

// What one entry of a list and of an object takes in memory, about.
const (
	listBytes   = 16
	objectBytes = 56
)

// without gives the elements of l that are not in r.
func without(run *run, l, r []any) any {
	sl, err := run.measure(l)
	if err != nil {
		return err
	}
	sr, err := run.measure(r)
	if err != nil {
		return err
	}
	if err := run.work(sl.nodes * len(r) / 8); err != nil {
		return err
	}
	if err := run.work(sr.nodes * len(l) / 8); err != nil {
		return err
	}
	out := []any{}
next:
	for _, x := range l {
		for _, y := range r {
			if gojq.Compare(x, y) == 0 {
				continue next
			}
		}
		out = append(out, x)
	}
	return out
}

// mergeDeep merges r into l, and objects of the same name into each other.
func mergeDeep(run *run, l, r map[string]any) any {
	if err := run.make(objectBytes * (len(l) + len(r))); err != nil {
		return err
	}
	m := make(map[string]any, len(l)+len(r))
	maps.Copy(m, l)
	for k, v := range r {
		x, xok := m[k].(map[string]any)
		y, yok := v.(map[string]any)
		if xok && yok {
			if v = mergeDeep(run, x, y); run.err != nil {
				return run.err
			}
		}
		m[k] = v
	}
	return m
}

// repeat gives n copies of s, and null where that is none, as jq 1.5 did.
func repeat(run *run, s string, n float64) any {
	if !(n >= 1) {
		return nil
	}
	n = math.Floor(n)
	if n*float64(len(s)) > maxBytes {
		return run.fail(errBytes)
	}
	if len(s) == 0 {
		return ""
	}
	if err := run.make(len(s) * int(n)); err != nil {
		return err
	}
	return strings.Repeat(s, int(n))
}
