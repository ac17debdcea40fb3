package cases

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"port-agent/cmd/port-agent/explanation"
	"port-agent/cmd/terminal"
	"port-agent/transform"
)

// judge compares an explanation with a case.
type judge struct {
	*result
	mapping *transform.Mapping
	view    *explanation.View
	out     Outcome // of view
}

// all compares everything that is expected. With update it replaces expectations
// that differ.
func (j *judge) all(update bool) error {
	for _, k := range keys {
		w, ok := j.wants[k.name]
		if !ok {
			continue
		}
		c := comparison{doc: w.doc}
		got, err := j.compare(&c, k.name, w.value)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", k.name, err)
		case update && len(c.diff) > 0:
			w.doc.replace(w.value, got)
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

// compare compares what is expected under a key. It returns the result in the
// form in which the case states it.
func (j *judge) compare(c *comparison, key string, want value) (value, error) {
	switch key {
	case "rule":
		return j.compareRule(c, want)
	case "request":
		return j.compareRequest(c, want)
	case "error":
		return j.compareError(c, want)
	}
	return j.compareReport(c, key, want)
}

// compareReport compares what is reported to Port about a recorded answer.
func (j *judge) compareReport(c *comparison, key string, want value) (value, error) {
	var report any = j.out.Report
	recorded, recording := j.response, "response"
	if key == "pollReport" {
		report, recorded, recording = j.out.PollReport, j.poll, "poll"
	}
	got, err := newValue(report)
	switch {
	case err != nil:
	case got.Kind() != jsontext.KindNull || want.Kind() == jsontext.KindNull:
		c.whole(key, want, got)
	case recorded == nil:
		err = fmt.Errorf("the case has no %s; add one", recording)
	default:
		c.differ(want, key, want.compact(), "none: "+j.notReported())
	}
	return got, err
}

// compareRule compares a rule by its name or index; null expects none.
func (j *judge) compareRule(c *comparison, want value) (value, error) {
	expected, err := j.expectedRule()
	if err != nil {
		return value{}, err
	}
	got, index, out := "none matches", -1, j.out.Rule
	if j.view.Rule != nil {
		index = *j.view.Rule
		got = j.mapping.Rules[index].Label()
		if want.Kind() == jsontext.KindNumber {
			out = index
		}
	}
	switch {
	case expected == nil && index >= 0:
		c.differ(want, "rule", "none", got)
	case expected != nil && expected.Index != index:
		c.differ(want, "rule", expected.Label(), got)
	}
	return newValue(out)
}

// expectedRule is the rule that the case names; nil is none.
func (j *judge) expectedRule() (*transform.Rule, error) {
	want, rules := j.wants["rule"].value, j.mapping.Rules
	switch want.Kind() {
	case jsontext.KindInvalid, jsontext.KindNull:
		return nil, nil
	case jsontext.KindString:
		name, _ := want.text()
		for _, r := range rules {
			if r.Name == name {
				return r, nil
			}
		}
		return nil, fmt.Errorf("no rule of %s is named %q", j.testCase.mapping, name)
	case jsontext.KindNumber:
		if i, err := strconv.Atoi(string(want.Value)); err == nil && i >= 0 && i < len(rules) {
			return rules[i], nil
		}
		return nil, fmt.Errorf("%s has no rule %s, but %s", j.testCase.mapping, want.Value, terminal.Count(len(rules), "rule"))
	}
	return nil, errors.New("must be a name, an index or null")
}

// compareRequest compares the given fields of a request; null expects none.
func (j *judge) compareRequest(c *comparison, want value) (value, error) {
	sent := j.out.Request
	got, err := newValue(sent)
	if err != nil {
		return got, err
	}
	switch want.Kind() {
	case jsontext.KindBeginObject:
		fields := got
		if sent == nil {
			fields, _ = newValue(explanation.Request{})
		}
		if fields, err = project(want, fields); err != nil {
			return got, err
		}
		if sent == nil {
			c.differ(want, "request", "a request", "none: "+j.notSent())
			break
		}
		c.whole("request", want, fields)
		return fields, nil
	case jsontext.KindNull:
		if sent != nil {
			c.differ(want, "request", "none", string(got.Value))
		}
	default:
		return got, errors.New("must be an object or null")
	}
	return got, nil
}

// notSent says why there is no request.
func (j *judge) notSent() string {
	return cmp.Or(j.out.Error, "no rule matches")
}

// notReported says why there is no report.
func (j *judge) notReported() string {
	if j.view.Rule != nil && j.out.Error == "" {
		return "the run is not followed, or the poll tells nothing"
	}
	return j.notSent()
}

// compareError looks for a part of the reason why nothing is sent; null expects
// that the request is sent.
func (j *judge) compareError(c *comparison, want value) (value, error) {
	got := j.out.Error
	part, ok := want.text()
	switch {
	case !ok && got != "":
		c.differ(want, "error", "none", got)
	case ok && got == "":
		c.differ(want, "error", part, "none")
		return newValue(nil)
	case ok && !strings.Contains(got, part):
		c.differ(want, "error", "…"+part+"…", got)
	}
	return newValue(got)
}

// explain adds what explain says about the expected rule, or about each rule where
// the case names none, and the warnings.
func (j *judge) explain() {
	want, _ := j.expectedRule()
	got := j.view.Rule
	for _, r := range j.view.Considered {
		if want == nil && got == nil || want != nil && r.Rule == want.Index || r.Enabled && (want == nil || want.Index != r.Rule) {
			j.notes = append(j.notes, fmt.Sprintf("rule %s: %s", j.mapping.Rules[r.Rule].Label(), r.Why))
		}
	}
	if want != nil && got != nil && *got < want.Index {
		j.notes = append(j.notes, fmt.Sprintf("rule %s: not reached, rule %d takes the event first", want.Label(), *got))
	}
	for _, w := range j.view.Details.Doubts {
		j.notes = append(j.notes, "warning: "+w)
	}
}
