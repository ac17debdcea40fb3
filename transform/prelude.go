package transform

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/itchyny/gojq"
)

//go:embed prelude.jq
var preludeText string

// definition is a function of the prelude, rewritten.
type definition struct {
	def  *gojq.FuncDef
	uses uses
}

// prelude holds the functions that are written in jq, in the order of the file:
// each comes after those it calls.
type prelude struct {
	order  []string
	byName map[string]*definition
}

// loadPrelude reads the prelude, once. The definitions are shared by all
// expressions and never changed.
var loadPrelude = sync.OnceValue(func() *prelude {
	q, err := gojq.Parse(preludeText + ".")
	if err != nil {
		panic("transform: prelude: " + err.Error()) // it is part of the program
	}
	p := &prelude{byName: make(map[string]*definition, len(q.FuncDefs))}
	for _, fd := range q.FuncDefs {
		w := rewriter{prelude: p, trusted: true}
		w.funcDef(fd)
		if w.err != nil {
			panic("transform: prelude: " + fd.Name + ": " + w.err.message)
		}
		key := signature(fd.Name, len(fd.Args))
		p.order = append(p.order, key)
		p.byName[key] = &definition{def: fd, uses: w.uses}
		fd.Name = hidden(fd.Name)
	}
	return p
})

// hidden gives the name a function of the prelude is defined by: one with an
// underscore gets a name that expressions cannot define or call.
func hidden(name string) string {
	if strings.HasPrefix(name, "_") {
		return "%" + name
	}
	return name
}

// uses are the functions that a piece of jq calls.
type uses struct {
	prelude   map[string]bool // by signature
	functions map[string]ownFunction
}

// ownFunction is a function of the package's own, as gojq is told of it.
type ownFunction struct {
	args int
	call ownFunc
}

func (u *uses) addPrelude(key string) {
	if u.prelude == nil {
		u.prelude = make(map[string]bool)
	}
	u.prelude[key] = true
}

func (u *uses) addFunction(key string, f ownFunction) {
	if u.functions == nil {
		u.functions = make(map[string]ownFunction)
	}
	u.functions[key] = f
}

// link gives the definitions that u needs, in order, and adds to u what these
// use in turn.
func (p *prelude) link(u *uses) []*gojq.FuncDef {
	var defs []*gojq.FuncDef
	for i := len(p.order) - 1; i >= 0; i-- {
		key := p.order[i]
		if !u.prelude[key] {
			continue
		}
		d := p.byName[key]
		defs = append(defs, d.def)
		for key := range d.uses.prelude {
			u.addPrelude(key)
		}
		for key, f := range d.uses.functions {
			u.addFunction(key, f)
		}
	}
	slices.Reverse(defs)
	return defs
}

// signature names a function the way jq tells functions apart.
func signature(name string, args int) string { return name + "/" + strconv.Itoa(args) }
