package jq

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// JSON returns v as JSON the way jq prints it: an integer with all its digits,
// another number in the shortest form that reads back as the same. It is empty
// for what is no value.
func JSON(v any) string {
	b, err := gojq.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

func truth(v any) bool { return v != nil && v != false }

func scalar(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		return false
	}
	return true
}

// maxDigits bounds the digits of an integer that is kept: to read and to print
// one takes more than linear time.
const maxDigits = 1000

// Number returns n as expressions keep numbers. One of at most 1,000 digits without
// fraction and exponent keeps every digit, as an int or a *big.Int. Anything else is
// a float64, the largest there is where it would be infinite.
func Number(n json.Number) any {
	s := n.String()
	if len(strings.TrimPrefix(s, "-")) <= maxDigits && !strings.ContainsAny(s, ".eE") {
		if i, err := strconv.Atoi(s); err == nil {
			return i
		}
		if i, ok := new(big.Int).SetString(s, 10); ok {
			return i
		}
	}
	f, _ := strconv.ParseFloat(s, 64)
	return finite(f)
}

// finite brings a float64 to one that JSON can hold, as jq prints it.
func finite(f float64) float64 {
	return min(max(f, -math.MaxFloat64), math.MaxFloat64)
}
