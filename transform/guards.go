package transform

import (
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// function is a function of Go that queries call: it gives a value or an
// error, as gojq wants it.
type function struct {
	args int
	call func(r *run, in any, args []any) any
}

// guards are what stands between an event and what gojq would do with it
// without bounds. Most look at the input, count what will be made of it, and
// pass it on.
var guards = map[string]function{
	"+":         {2, add},
	"-":         {2, subtract},
	"*":         {2, multiply},
	"_summed":   {0, func(r *run, in any, _ []any) any { return counted(r, in, shallow(elements(in)...)) }},
	"_joined":   {1, joined},
	"_made":     {0, func(r *run, in any, _ []any) any { return counted(r, in, shallow(in)) }},
	"_sized":    {0, func(r *run, in any, _ []any) any { return counted(r, in, 2*weigh(in, maxBytes)) }},
	"_letters":  {0, func(r *run, in any, _ []any) any { return counted(r, in, 3*valueBytes/2*shallow(in)) }},
	"_parts":    {1, parts},
	"_table":    {0, table},
	"_contains": {1, contains},
	"_indices":  {1, indices},
	"_digits":   {0, digits},
	"_fromjson": {0, fromJSON},
	"_key":      {0, key},
	"_place":    {0, setPlace},
	"_short":    {0, short},
	"_untimely": {1, untimely},
	"_marks":    {0, func(_ *run, in any, _ []any) any { return unescapeMarks.Replace(in.(string)) }},
	"_base32":   {0, func(_ *run, in any, _ []any) any { return base32.StdEncoding.EncodeToString([]byte(in.(string))) }},
	"_base32d":  {0, base32Decode},
	"_matches":  {2, regexMatches},
	"_replace":  {3, regexReplace},
	"_test":     {2, regexTest},
	"_splits":   {2, regexSplits},
	"_replaced": {2, regexReplaced},
}

// options tell the compiler of guards. Each gets the account of the evaluation
// as its last argument.
var options = func() (out []gojq.CompilerOption) {
	for name, f := range guards {
		out = append(out, gojq.WithFunction(name, f.args+1, f.args+1, func(in any, args []any) any {
			r := args[f.args].(*run)
			if r.err != nil {
				return r.err
			}
			return f.call(r, in, args[:f.args])
		}))
	}
	return append(out, gojq.WithVariables(variables))
}()

// refuse makes an error of the package's own. It must show no value.
func refuse(format string, args ...any) error { return &ownError{fmt.Errorf(format, args...)} }

// operators are gojq's own, for what needs no guard.
var operators = func() map[string]*gojq.Code {
	out := make(map[string]*gojq.Code)
	for _, op := range []string{"+", "-", "*"} {
		q, err := gojq.Parse("$l " + op + " $r")
		if err != nil {
			panic(err) // it is part of the program
		}
		if out[op], err = gojq.Compile(q, gojq.WithVariables([]string{"$l", "$r"})); err != nil {
			panic(err)
		}
	}
	return out
}()

func operate(op string, l, r any) any {
	v, _ := operators[op].Run(nil, l, r).Next()
	return v
}

const (
	valueBytes = 16 // of a value in a list
	entryBytes = 64 // of an entry of an object
)

// shallow gives the bytes of a copy of some values that shares what they hold.
func shallow(values ...any) (n int) {
	for _, v := range values {
		switch v := v.(type) {
		case string:
			n += len(v)
		case []any:
			n += valueBytes * len(v)
		case map[string]any:
			n += entryBytes * len(v)
		default:
			n += valueBytes
		}
	}
	return n
}

// weigh gives the bytes of a value with all that it holds, or some number
// beyond limit.
func weigh(v any, limit int) int {
	n := shallow(v)
	switch v := v.(type) {
	case []any:
		for i := 0; i < len(v) && n <= limit; i++ {
			n += weigh(v[i], limit-n)
		}
	case map[string]any:
		for k, v := range v {
			if n += len(k); n > limit {
				break
			}
			n += weigh(v, limit-n)
		}
	}
	return n
}

// counted counts n bytes and passes in on.
func counted(r *run, in any, n int) any {
	if err := r.make(n); err != nil {
		return err
	}
	return in
}

func add(r *run, _ any, args []any) any {
	if err := r.make(shallow(args...)); err != nil {
		return err
	}
	if x, ok := args[0].(string); ok {
		if y, ok := args[1].(string); ok {
			return x + y
		}
	}
	return operate("+", args[0], args[1])
}

// subtract takes elements out of a list in n log n steps, where gojq compares
// each with each.
func subtract(r *run, _ any, args []any) any {
	x, ok := args[0].([]any)
	y, yok := args[1].([]any)
	if !ok || !yok {
		return operate("-", args[0], args[1])
	}
	if err := r.work(len(x) + len(y)); err != nil {
		return err
	}
	y = slices.Clone(y)
	slices.SortFunc(y, gojq.Compare)
	out := []any{}
	for _, v := range x {
		if _, found := slices.BinarySearchFunc(y, v, gojq.Compare); !found {
			out = append(out, v)
		}
	}
	return out
}

func multiply(r *run, _ any, args []any) any {
	n := shallow(args...)
	for i, v := range args {
		s, isText := v.(string)
		times, isNumber := gojq.ToFloat64(args[1-i])
		if isText && isNumber {
			n = int(min(float64(len(s))*max(times, 0), maxBytes+1))
		}
	}
	if err := r.make(n); err != nil {
		return err
	}
	return operate("*", args[0], args[1])
}

func elements(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case map[string]any:
		out := make([]any, 0, len(v))
		for _, v := range v {
			out = append(out, v)
		}
		return out
	}
	return nil
}

func joined(r *run, in any, args []any) any {
	values := elements(in)
	return counted(r, in, shallow(values...)+len(values)*shallow(args[0]))
}

func parts(r *run, in any, args []any) any {
	s, _ := in.(string)
	sep, _ := args[0].(string)
	return counted(r, in, 2*valueBytes*strings.Count(s, sep))
}

// table counts what transpose makes: as many columns as the longest row.
func table(r *run, in any, _ []any) any {
	rows, _ := in.([]any)
	longest := 0
	for _, row := range rows {
		row, _ := row.([]any)
		longest = max(longest, len(row))
	}
	return counted(r, in, int(min(float64(len(rows))*float64(longest)*valueBytes, maxBytes+1)))
}

// contains is gojq's, with the comparisons counted.
func contains(r *run, in any, args []any) any {
	if gojq.TypeOf(in) != gojq.TypeOf(args[0]) {
		return refuse("contains cannot be applied to: %s and %s", gojq.TypeOf(in), gojq.TypeOf(args[0]))
	}
	held := holds(r, in, args[0])
	if r.err != nil {
		return r.err
	}
	return held
}

func holds(r *run, v, x any) bool {
	if r.work(1) != nil {
		return false
	}
	switch v := v.(type) {
	case string:
		x, ok := x.(string)
		return ok && strings.Contains(v, x) && r.work(len(v)/256) == nil
	case []any:
		x, ok := x.([]any)
		return ok && !slices.ContainsFunc(x, func(x any) bool {
			return r.err != nil || !slices.ContainsFunc(v, func(v any) bool { return r.err == nil && holds(r, v, x) })
		})
	case map[string]any:
		x, ok := x.(map[string]any)
		for k, x := range x {
			if v, has := v[k]; !has || !holds(r, v, x) {
				return false
			}
		}
		return ok
	}
	return gojq.TypeOf(v) == gojq.TypeOf(x) && gojq.Compare(v, x) == 0
}

// indices gives the places of a text in a text, counted in letters, or of an
// element or a run of elements in a list.
func indices(r *run, in any, args []any) any {
	out := []any{}
	switch v := in.(type) {
	case nil:
		return nil
	case string:
		x, ok := args[0].(string)
		if !ok {
			return refuse("indices cannot be applied to: string and %s", gojq.TypeOf(args[0]))
		}
		for letters := 0; x != ""; letters++ { // places may overlap
			i := strings.Index(v, x)
			if i < 0 || r.work(1+len(x)/64) != nil {
				break
			}
			letters += utf8.RuneCountInString(v[:i])
			out = append(out, letters)
			_, step := utf8.DecodeRuneInString(v[i:])
			v = v[i+step:]
		}
	case []any:
		x, ok := args[0].([]any)
		if !ok {
			x = args[:1]
		}
		for i := 0; len(x) > 0 && i+len(x) <= len(v) && r.work(1+len(x)/4) == nil; i++ {
			if gojq.Compare(v[i:i+len(x)], x) == 0 {
				out = append(out, i)
			}
		}
	default:
		return refuse("indices cannot be applied to: %s and %s", gojq.TypeOf(in), gojq.TypeOf(args[0]))
	}
	return counted(r, out, 2*shallow(out))
}

// digits bounds the digits of a number that is read: more take more than
// linear time.
func digits(_ *run, in any, _ []any) any {
	if s, ok := in.(string); ok && len(s) > maxDigits {
		return refuse("tonumber cannot be applied to: a text of %d bytes", len(s))
	}
	return in
}

func fromJSON(r *run, in any, _ []any) any {
	s, ok := in.(string)
	if !ok {
		return refuse("fromjson cannot be applied to: %s", gojq.TypeOf(in))
	}
	// A list of one-digit numbers is the worst but for empty objects: sixteen
	// bytes for two.
	if err := r.make(8*len(s) + entryBytes*strings.Count(s, "{")); err != nil {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return refuse("fromjson cannot be applied to: this text is not JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return refuse("fromjson cannot be applied to: text follows the JSON")
	}
	return plain(v)
}

const (
	maxRunIndex = 50      // values of a list that is looked for where a list is an index
	maxIndex    = 100_000 // of a list, where it is set and comes from an event
	maxShort    = 512     // bytes of a format of times
)

func key(_ *run, in any, _ []any) any {
	if list, ok := in.([]any); ok && len(list) > maxRunIndex {
		return refuse("a list of more than %d values is used as an index", maxRunIndex)
	}
	return in
}

func setPlace(_ *run, in any, _ []any) any {
	path, _ := in.([]any)
	for _, step := range path {
		if i, ok := gojq.ToFloat64(step); ok && i > maxIndex {
			return refuse("index %.0f is too large: at most %d can be set", i, maxIndex)
		}
	}
	return in
}

func short(_ *run, in any, _ []any) any {
	if s, ok := in.(string); ok && len(s) > maxShort {
		return refuse("the format of a time is longer than %d bytes", maxShort)
	}
	return in
}

var fraction = regexp.MustCompile(`:\d\d\.\d`)

// untimely says why a value is not read as a time. It does not show the value.
func untimely(_ *run, in any, args []any) any {
	format, ok := args[0].(string)
	if !ok || len(format) > maxShort {
		return refuse("strptime needs a format, which is text of at most %d bytes", maxShort)
	}
	s, ok := in.(string)
	switch {
	case !ok:
		return refuse("strptime reads text, not: %s", gojq.TypeOf(in))
	case fraction.MatchString(s):
		return refuse(`strptime cannot read the text as %q, because it has a fraction of a second; take that out before: sub("\\.[0-9]+"; "")`, format)
	}
	return refuse("strptime cannot read the text as %q", format)
}

// unescapeMarks leaves what jq 1.5 leaves, beside what RFC 3986 calls
// unreserved.
var unescapeMarks = strings.NewReplacer("%21", "!", "%2A", "*", "%27", "'", "%28", "(", "%29", ")")

func base32Decode(_ *run, in any, _ []any) any {
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(in.(string), "="))
	if err != nil {
		return refuse("@base32d cannot be applied to: this text is not base32")
	}
	return string(b)
}
