package transform

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

// settle makes sure that v can be sent: it bounds its size and depth and
// brings what JSON cannot hold to what jq prints for it. v itself is not
// changed.
func settle(v any) (any, error) {
	s := size{}
	clean := s.inspect(v, 0)
	if s.err != nil {
		return nil, s.err
	}
	if clean {
		return v, nil
	}
	return scrub(v), nil
}

// size adds up what a value takes.
type size struct {
	bytes int
	err   error
}

// inspect adds v, and reports whether JSON can hold it as it is.
func (s *size) inspect(v any, depth int) (clean bool) {
	if s.bytes += shallow(v); s.bytes > maxBytes {
		s.err = errBytes
	}
	if depth > maxDepth {
		s.err = errDepth
	}
	if s.err != nil {
		return false
	}
	switch v := v.(type) {
	case nil, bool, int:
		return true
	case string:
		return utf8.ValidString(v)
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	case *big.Int:
		if v.BitLen() > 4*maxBigDigits {
			s.err = errDigits
		}
		return true
	case []any:
		clean = true
		for _, w := range v {
			clean = s.inspect(w, depth+1) && clean
		}
		return clean
	case map[string]any:
		clean = true
		for k, w := range v {
			s.bytes += len(k)
			clean = s.inspect(w, depth+1) && utf8.ValidString(k) && clean
		}
		return clean
	}
	return false
}

// scrub gives a copy of v that JSON can hold.
func scrub(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ToValidUTF8(v, "\ufffd")
	case float64:
		if math.IsNaN(v) {
			return nil
		}
		return finite(v)
	case json.Number:
		return number(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = scrub(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, w := range v {
			out[strings.ToValidUTF8(k, "\ufffd")] = scrub(w)
		}
		return out
	case nil, bool, int, *big.Int:
		return v
	}
	return nil // a value of the package's own that got out
}
