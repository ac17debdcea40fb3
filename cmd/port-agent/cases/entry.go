package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"port-agent/cmd/port-agent/explanation"
)

// Entry is a case of a list, as it is written.
type Entry struct {
	Name     string            `json:"name"`
	Event    json.RawMessage   `json:"event"`
	Env      map[string]string `json:"env,omitempty"`
	Response json.RawMessage   `json:"response,omitempty"`
	Poll     json.RawMessage   `json:"poll,omitempty"`

	Outcome
}

// Outcome is the result of an event, as a case expects it.
type Outcome struct {
	Rule       any                     `json:"rule"` // name, index or nil
	Request    *explanation.Request    `json:"request"`
	Report     *explanation.Report     `json:"report,omitempty"`
	PollReport *explanation.PollReport `json:"pollReport,omitempty"`
	Error      string                  `json:"error,omitempty"` // why nothing is sent
}

// NewOutcome is the result that v explains.
func NewOutcome(v *explanation.View) Outcome {
	o := Outcome{Request: v.Request, Report: v.Report, PollReport: v.Poll, Error: strings.Join(v.Details.Stopped, "; ")}
	if v.Rule != nil {
		if o.Rule = *v.Rule; *v.Name != "" {
			o.Rule = *v.Name
		}
	}
	if o.Error != "" {
		o.Request = nil
	}
	return o
}

// Append adds e to the text of a list of cases, which is empty for a new file. The
// other cases keep their text. A second case of the same name is an error.
func Append(list []byte, e Entry) ([]byte, error) {
	if len(bytes.TrimSpace(list)) == 0 {
		list = []byte("[]\n")
	}
	d, err := parseDocument("the file of cases", list)
	if err != nil {
		return nil, err
	}
	if d.root.Kind() != jsontext.KindBeginArray {
		return nil, errors.New("the file of cases is not a list")
	}
	var all []any
	for _, c := range d.root.children() {
		if name, ok := bySteps(c.children())[".name"].text(); ok && name == e.Name {
			return nil, fmt.Errorf("a case named %q exists already", e.Name)
		}
		all = append(all, c.Value)
	}
	got, err := newValue(append(all, e))
	if err != nil {
		return nil, err
	}
	d.replace(d.root, got)
	return d.edited(), nil
}
