package jq

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

// settle copies v into a value that can be sent: it bounds size and depth and
// brings what JSON cannot hold to what jq prints for it. The copy shares no
// list and no object with v.
func settle(v any) (any, error) {
	s := settler{}
	out := s.value(v, 0)
	if s.err != nil {
		return nil, s.err // and not the part that was copied before
	}
	return out, nil
}

type settler struct {
	bytes int
	err   error
}

func (s *settler) value(in any, depth int) any {
	if s.bytes += shallow(in); s.bytes > maxBytes {
		s.err = errBytes
	}
	if depth > maxDepth {
		s.err = errDepth
	}
	if s.err != nil {
		return nil
	}
	switch v := in.(type) {
	case nil, bool, int:
		return in
	case string:
		if utf8.ValidString(v) {
			return in
		}
		return valid(v)
	case float64:
		if math.IsNaN(v) {
			return nil
		}
		return finite(v)
	case *big.Int:
		if v.BitLen() > 4*maxBigDigits {
			s.err = errDigits
		}
		return in
	case json.Number:
		return Number(v)
	case []any:
		out := make([]any, len(v))
		for i, w := range v {
			out[i] = s.value(w, depth+1)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, w := range v {
			s.bytes += len(k)
			out[valid(k)] = s.value(w, depth+1)
		}
		return out
	}
	return nil // a value of the package's own that got out
}

func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
