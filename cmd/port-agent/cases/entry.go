package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"port-agent/cmd/port-agent/explanation"
)

// Entry is a case of a list, as it is written.
type Entry struct {
	Name     string            `json:"name"`
	Event    json.RawMessage   `json:"event"`
	Env      map[string]string `json:"env,omitempty"`
	Response json.RawMessage   `json:"response,omitempty"`
	Poll     json.RawMessage   `json:"poll,omitempty"`

	Rule    any                  `json:"rule"` // name, index or nil
	Request *explanation.Request `json:"request"`
	Report  *explanation.Report  `json:"report,omitempty"`

	PollReport *explanation.PollReport `json:"pollReport,omitempty"`

	Error string `json:"error,omitempty"`
}

// Expect takes what came out for what is expected.
func (e *Entry) Expect(v *explanation.View) {
	if v.Rule != nil {
		if e.Rule = *v.Rule; *v.Name != "" {
			e.Rule = *v.Name
		}
	}
	if e.Error = strings.Join(v.Stopped(), "; "); e.Error == "" {
		e.Request = v.Request
	}
	if len(e.Response) > 0 {
		e.Report, e.PollReport = v.Report, v.Poll
	}
}

// ErrNamed is wrapped by the error of Append where the list has a case of that
// name.
var ErrNamed = errors.New("a case of that name exists already")

// Append adds e to a list of cases; an empty list is the file that is not there
// yet. What is in the list stays as it is.
func Append(list []byte, e Entry) ([]byte, error) {
	if len(bytes.TrimSpace(list)) == 0 {
		list = []byte("[\n]\n")
	}
	d, err := parseDocument("the file of cases", list)
	if err != nil {
		return nil, err
	}
	if d.root.kind != '[' {
		return nil, errors.New("the file of cases is not a list")
	}
	for _, n := range d.root.elements {
		if name := n.member("name"); name != nil && name.scalar == e.Name {
			return nil, fmt.Errorf("%w: %q", ErrNamed, e.Name)
		}
	}
	text, err := create(e)
	if err != nil {
		return nil, err
	}
	text = "\n  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ")
	at := d.root.start + 1
	if n := len(d.root.elements); n > 0 {
		at, text = d.root.elements[n-1].end, ","+text
	}
	rest := list[at:]
	if !bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r"), []byte("\n")) {
		text += "\n"
	}
	return bytes.Join([][]byte{list[:at], []byte(text), rest}, nil), nil
}
