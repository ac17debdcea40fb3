package transform

import (
	"encoding/json"
	"errors"
	"math/big"

	"github.com/itchyny/gojq"
)

// maxBits bounds the integers that are calculated with.
const maxBits = 1 << 14

var errBits = errors.New("a number has too many digits")

// calculate applies the function for the narrowest type that holds both
// numbers. ok is false where one of the operands is no number.
func calculate(l, r any, ints func(l, r int) any, bigs func(l, r *big.Int) any, floats func(l, r float64) any) (v any, ok bool) {
	l, r = plainNumber(l), plainNumber(r)
	switch x := l.(type) {
	case int:
		switch y := r.(type) {
		case int:
			return ints(x, y), true
		case float64:
			return floats(float64(x), y), true
		case *big.Int:
			return bounded(big.NewInt(int64(x)), y, bigs), true
		}
	case float64:
		if y, ok := gojq.ToFloat64(r); ok {
			return floats(x, y), true
		}
	case *big.Int:
		switch y := r.(type) {
		case int:
			return bounded(x, big.NewInt(int64(y)), bigs), true
		case float64:
			f, _ := gojq.ToFloat64(x)
			return floats(f, y), true
		case *big.Int:
			return bounded(x, y, bigs), true
		}
	}
	return nil, false
}

func bounded(l, r *big.Int, f func(l, r *big.Int) any) any {
	if l.BitLen()+r.BitLen() > maxBits {
		return errBits
	}
	return f(l, r)
}

func plainNumber(v any) any {
	if n, ok := v.(json.Number); ok {
		return number(n)
	}
	return v
}
