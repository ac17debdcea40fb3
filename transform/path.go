package transform

import (
	"errors"
	"strings"
)

// parsePath reads the path of an encrypted field: steps between dots, from the
// root of the event, with or without a dot in front. An index may also stand
// in brackets, and "[]" is every element.
func parsePath(s string) ([]string, error) {
	s = strings.TrimPrefix(s, ".")
	if s == "" {
		return nil, errors.New("the path is empty")
	}
	var path []string
	for step := range strings.SplitSeq(s, ".") {
		name, brackets, _ := strings.Cut(step, "[")
		if name == "" && (brackets == "" || len(path) == 0) {
			return nil, errors.New("the path has an empty step")
		}
		if name != "" {
			path = append(path, name)
		}
		for brackets != "" {
			index, rest, ok := strings.Cut(brackets, "]")
			if !ok || rest != "" && rest[0] != '[' {
				return nil, errors.New("the path has an unpaired bracket")
			}
			if rest == "[" {
				return nil, errors.New("the path has an unpaired bracket")
			}
			brackets = strings.TrimPrefix(rest, "[")
			if index = strings.Trim(index, `"`); index == "" {
				index = "*"
			}
			path = append(path, index)
		}
	}
	return path, nil
}
