package transform

import (
	"errors"
	"strings"
)

// brackets turns indexes in brackets to steps: a[0].b[] is a.0.b.*.
var brackets = strings.NewReplacer(".[]", ".*", ".[", ".", "[]", ".*", "[", ".", "]", "", `"`, "")

// parsePath reads the path of an encrypted field: names and indexes between
// dots, from the root of the event, with or without a dot in front.
func parsePath(s string) ([]string, error) {
	s = strings.TrimPrefix(brackets.Replace(s), ".")
	if s == "" {
		return nil, errors.New("the path is empty")
	}
	path := strings.Split(s, ".")
	for _, step := range path {
		if step == "" {
			return nil, errors.New("the path has an empty step")
		}
	}
	return path, nil
}
