package transform

import (
	"encoding/json"
	"math/big"
)

// size is what a value would take, written out: values may share parts, so
// that a few steps build one of more parts than there are atoms.
type size struct {
	nodes int // values, with all they hold
	bytes int // of its text as JSON, about
}

// measure takes the size of v before something goes through all of it. It
// fails where v is too large or too deep for that.
func (r *run) measure(v any) (size, error) {
	var s size
	if !s.count(v, 0) {
		return s, r.fail(errDepth)
	}
	if s.nodes > maxNodes || s.bytes > maxBytes {
		return s, r.fail(errBytes)
	}
	return s, r.work(s.nodes/8 + s.bytes/256)
}

// maxNodes is how many values one value may hold: what maxSteps allows to
// go through.
const maxNodes = maxSteps

// count adds v to s. It stops early where s is beyond all bounds, and is
// false where v is too deep.
func (s *size) count(v any, depth int) bool {
	if depth > maxDepth {
		return false
	}
	s.nodes++
	switch v := v.(type) {
	case string:
		s.bytes += len(v) + 2
	case json.Number:
		s.bytes += len(v)
	case *big.Int:
		s.bytes += v.BitLen() / 3
	case []any:
		s.bytes += 2
		for _, w := range v {
			if s.beyond() {
				return true
			}
			if !s.count(w, depth+1) {
				return false
			}
		}
	case map[string]any:
		s.bytes += 2
		for k, w := range v {
			if s.beyond() {
				return true
			}
			s.bytes += len(k) + 4
			if !s.count(w, depth+1) {
				return false
			}
		}
	default:
		s.bytes += 8
	}
	return true
}

func (s *size) beyond() bool { return s.nodes > maxNodes || s.bytes > maxBytes }
