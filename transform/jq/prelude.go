package jq

import (
	_ "embed"
	"slices"
	"strconv"
	"sync"

	"github.com/itchyny/gojq"
)

//go:embed prelude.jq
var preludeText string

// definition is a function of the prelude and what it calls.
type definition struct {
	name string // with its number of arguments
	def  *gojq.FuncDef
	uses map[string]bool
}

// prelude reads the functions that stand in front of every query, once. They
// are shared by all expressions and never changed.
var prelude = sync.OnceValue(func() []definition {
	q, err := gojq.Parse(preludeText + ".")
	if err != nil {
		panic("jq: prelude: " + err.Error()) // it is part of the program
	}
	var defs []definition
	for _, fd := range q.FuncDefs {
		w := walker{prelude: true, uses: map[string]bool{}, defines: map[string]bool{}}
		w.walk(fd.Body)
		defs = append(defs, definition{signature(fd.Name, len(fd.Args)), fd, w.uses})
	}
	return defs
})

// link returns the definitions that a query needs: those that it uses, and what
// these use, which stands in front of them.
func link(uses map[string]bool) []*gojq.FuncDef {
	var out []*gojq.FuncDef
	for _, d := range slices.Backward(prelude()) {
		if !uses[d.name] {
			continue
		}
		out = append(out, d.def)
		for name := range d.uses {
			uses[name] = true
		}
	}
	slices.Reverse(out)
	return out
}

// signature is a function's name with the number of its arguments: jq tells
// functions apart by both.
func signature(name string, args int) string { return name + "/" + strconv.Itoa(args) }
