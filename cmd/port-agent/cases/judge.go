package cases

import (
	"encoding/json"
	"fmt"
	"strings"

	"port-agent/cmd/port-agent/explanation"
	"port-agent/transform"
)

// judge compares a view with what a case expects.
type judge struct {
	*result
	mapping *transform.Mapping
	view    *explanation.View
}

// all compares each thing that is expected; with update it becomes what came
// out instead.
func (j *judge) all(update bool) error {
	for _, e := range expectations {
		w, ok := j.wants[e.key]
		if !ok {
			continue
		}
		if w.node == nil {
			if err := j.create(e.key, w.doc); err != nil {
				return err
			}
			continue
		}
		c := comparison{doc: w.doc}
		got, err := j.compare(&c, e.key, w.node)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", e.key, err)
		case len(c.diff) > 0 && update && got.ok:
			w.doc.replace(w.node, got.value)
			j.updated = true
		default:
			j.diff = append(j.diff, c.diff...)
		}
	}
	if len(j.diff) > 0 {
		j.explain()
	}
	return nil
}

// create makes the text of a file that is not there yet.
func (j *judge) create(key string, d *document) error {
	var v any = j.view.Request
	switch key {
	case "report":
		v = j.view.Report
	case "pollReport":
		v = j.view.Poll
	}
	if data, err := json.Marshal(v); err != nil || string(data) == "null" {
		return err
	}
	text, err := create(v)
	d.edits, j.updated = []edit{{text: text}}, true
	return err
}

// outcome is what came out; ok is false where the file cannot say it.
type outcome struct {
	value any
	ok    bool
}

func (j *judge) compare(c *comparison, key string, n *node) (outcome, error) {
	switch key {
	case "rule":
		return j.compareRule(c, n)
	case "request":
		return j.compareRequest(c, n)
	case "report":
		return j.compareReport(c, key, n, j.view.Report, j.response)
	case "pollReport":
		return j.compareReport(c, key, n, j.view.Poll, j.poll)
	}
	return j.compareError(c, n), nil
}

// compareReport compares what is reported to Port; recorded is what it is told of.
func (j *judge) compareReport(c *comparison, key string, n *node, report any, recorded []byte) (outcome, error) {
	got, err := generic(report)
	if got == nil && n.kind != 'n' {
		why := j.notSent()
		switch {
		case recorded == nil:
			why = "the case has no " + map[string]string{"report": "response", "pollReport": "poll"}[key]
		case j.view.Rule != nil && len(j.view.Stopped()) == 0:
			why = "the run is not followed, or the poll tells nothing"
		}
		c.differ(n, key, printJSON(n.value()), "none: "+why)
		return outcome{}, err
	}
	c.whole(key, n, got)
	return outcome{got, true}, err
}

// compareRule takes a rule's name, its index, or null for none.
func (j *judge) compareRule(c *comparison, n *node) (outcome, error) {
	want, err := j.expectedRule()
	if err != nil {
		return outcome{}, err
	}
	got := j.view.Rule
	switch {
	case got == nil && want == nil, got != nil && want != nil && *got == want.Index:
		return outcome{}, nil
	case got == nil:
		c.differ(n, "rule", want.Label(), "none matches")
		return outcome{nil, true}, nil
	}
	rule, expected := j.mapping.Rules()[*got], "none"
	if want != nil {
		expected = want.Label()
	}
	c.differ(n, "rule", expected, rule.Label())
	if rule.Name != "" && n.kind != '0' {
		return outcome{rule.Name, true}, nil
	}
	return outcome{json.Number(fmt.Sprint(rule.Index)), true}, nil
}

// expectedRule is the rule that the case names; nil is none.
func (j *judge) expectedRule() (*transform.Rule, error) {
	n := j.wants["rule"].node
	if n == nil || n.kind == 'n' {
		return nil, nil
	}
	rules := j.mapping.Rules()
	switch v := n.scalar.(type) {
	case string:
		for _, r := range rules {
			if r.Name == v {
				return r, nil
			}
		}
		return nil, fmt.Errorf("no rule of %s is named %q", j.testCase.mapping, v)
	case json.Number:
		if i, err := v.Int64(); err == nil && i >= 0 && i < int64(len(rules)) {
			return rules[i], nil
		}
		return nil, fmt.Errorf("%s has no rule %s, but %s", j.testCase.mapping, v, explanation.Count(len(rules), "rule"))
	}
	return nil, fmt.Errorf("neither a name, nor a number, nor null")
}

// compareRequest takes some fields of a request, or null for none.
func (j *judge) compareRequest(c *comparison, n *node) (outcome, error) {
	if name := misspelt(n); name != "" {
		return outcome{}, fmt.Errorf("unknown key %q: a request has %s", name, strings.Join(requestKeys, ", "))
	}
	got, err := generic(j.view.Request)
	if err != nil {
		return outcome{}, err
	}
	request, made := got.(map[string]any)
	sent := made && len(j.view.Stopped()) == 0
	switch {
	case n.kind == 'n' && sent:
		c.differ(n, "request", "none", inline(request))
		return outcome{request, true}, nil
	case n.kind == 'n':
		return outcome{}, nil
	case n.kind != '{':
		return outcome{}, fmt.Errorf("neither an object nor null")
	case !sent:
		c.differ(n, "request", "a request", "none: "+j.notSent())
		return outcome{nil, true}, nil
	}
	part := project(n, request)
	c.whole("request", n, part)
	return outcome{part, true}, nil
}

// notSent says why there is no request.
func (j *judge) notSent() string {
	if stopped := j.view.Stopped(); len(stopped) > 0 {
		return strings.Join(stopped, "; ")
	}
	return "no rule matches"
}

// compareError takes a part of the text that says why nothing is sent, or null.
func (j *judge) compareError(c *comparison, n *node) outcome {
	got := strings.Join(j.view.Stopped(), "; ")
	want, ok := n.scalar.(string)
	switch {
	case !ok && got != "":
		c.differ(n, "error", "none", got)
	case ok && got == "":
		c.differ(n, "error", want, "none")
		return outcome{nil, true}
	case ok && !strings.Contains(got, want):
		c.differ(n, "error", "…"+want+"…", got)
	}
	return outcome{got, true}
}

// explain adds what explain says about the rule that was expected, or, where
// none is named, about each that was looked at, and the warnings.
func (j *judge) explain() {
	want, _ := j.expectedRule()
	got := j.view.Rule
	for i, r := range j.view.Considered {
		if want == nil && got == nil || want != nil && r.Rule == want.Index || r.Enabled && (want == nil || want.Index != r.Rule) {
			j.notes = append(j.notes, "rule "+j.view.RuleLine(i))
		}
	}
	if want != nil && got != nil && *got < want.Index {
		j.notes = append(j.notes, fmt.Sprintf("rule %s: not reached, rule %d takes the event first", want.Label(), *got))
	}
	for _, w := range j.view.Doubts() {
		j.notes = append(j.notes, "warning: "+w)
	}
}
