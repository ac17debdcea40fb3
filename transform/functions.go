package transform

import (
	"cmp"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

var (
	errLong  = fmt.Errorf("a time or its format is longer than %d bytes", maxShort)
	errIndex = fmt.Errorf("a list of more than %d values is used as an index", maxRunIndex)
	errOrder = errors.New("the order of the function is not between -1000 and 1000")
)

func cannot(name string, in any) error {
	return fmt.Errorf("%s cannot be applied to: %s", name, gojq.TypeOf(in))
}

// addAll is add: the sum of the values of a list or object.
func addAll(r *run, in any, _ []any) any {
	list, ok := listOf(in)
	if !ok {
		return cannot("add", in)
	}
	if len(list) > 1 {
		if v, ok := addTexts(r, list, ""); ok {
			return v
		}
	}
	var sum any
	own := false // whether sum was made here and may be changed
	for _, v := range list {
		if v == nil {
			continue
		}
		if own {
			if ok, err := addTo(r, &sum, v); err != nil {
				return err
			} else if ok {
				continue
			}
		}
		next := opAdd(r, nil, []any{sum, v})
		if err, ok := next.(error); ok {
			return err
		}
		own = entries(sum) > 0 && entries(v) > 0
		sum = next
	}
	return sum
}

// addTo adds v to a list or object in place. ok is false where they are not
// of the same kind, and nothing is done.
func addTo(r *run, sum *any, v any) (ok bool, err error) {
	switch s := (*sum).(type) {
	case map[string]any:
		m, ok := v.(map[string]any)
		if !ok {
			return false, nil
		}
		if err := r.make(objectBytes * len(m)); err != nil {
			return false, err
		}
		maps.Copy(s, m)
		return true, nil
	case []any:
		l, ok := v.([]any)
		if !ok {
			return false, nil
		}
		if err := r.make(2 * listBytes * len(l)); err != nil {
			return false, err
		}
		*sum = append(s, l...)
		return true, nil
	}
	return false, nil
}

func entries(v any) int {
	switch v := v.(type) {
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return 0
}

// listOf gives the values of a list, or of an object in the order of its keys.
func listOf(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case map[string]any:
		list := make([]any, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			list = append(list, v[k])
		}
		return list, true
	}
	return nil, false
}

// addTexts puts texts together, with sep between them. ok is false where
// there is anything else among them.
func addTexts(r *run, list []any, sep string) (v any, ok bool) {
	n := 0
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		if n += len(s) + len(sep); n > maxBytes {
			return r.fail(errBytes), true
		}
	}
	if err := r.make(n); err != nil {
		return err, true
	}
	var b strings.Builder
	b.Grow(n)
	for i, v := range list {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(v.(string))
	}
	return b.String(), true
}

// join puts texts, numbers and booleans together; null is nothing.
func join(r *run, in any, args []any) any {
	list, ok := listOf(in)
	if !ok {
		return cannot("join", in)
	}
	if len(list) == 0 {
		return ""
	}
	sep, ok := args[0].(string)
	if !ok && (args[0] != nil || len(list) > 1) {
		return fmt.Errorf("join needs text to join with, not %s", gojq.TypeOf(args[0]))
	}
	if err := r.make(listBytes * len(list)); err != nil {
		return err
	}
	texts := make([]any, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case []any, map[string]any:
			return fmt.Errorf("cannot join: %s", gojq.TypeOf(v))
		case nil:
			texts[i] = ""
		default:
			if _, err := r.measure(v); err != nil {
				return err
			}
			texts[i] = Text(v)
		}
	}
	v, _ := addTexts(r, texts, sep)
	return v
}

func splitText(r *run, in any, args []any) any {
	s, ok := in.(string)
	sep, sepOK := args[0].(string)
	if !ok || !sepOK {
		return fmt.Errorf("split cannot be applied to: %s and %s", gojq.TypeOf(in), gojq.TypeOf(args[0]))
	}
	return split(r, s, sep)
}

func split(r *run, s, sep string) any {
	if s == "" {
		return []any{}
	}
	if err := r.make(2 * listBytes * (strings.Count(s, sep) + 1)); err != nil {
		return err
	}
	var list []any
	for part := range strings.SplitSeq(s, sep) {
		list = append(list, part)
	}
	return list
}

// reverse turns a list round, or a text.
func reverse(r *run, in any, _ []any) any {
	switch v := in.(type) {
	case nil:
		return []any{}
	case []any:
		if err := preEntries(r, v); err != nil {
			return err
		}
		v = slices.Clone(v)
		slices.Reverse(v)
		return v
	case string:
		if err := r.make(5 * len(v)); err != nil {
			return err
		}
		runes := []rune(v)
		slices.Reverse(runes)
		return string(runes)
	}
	return cannot("reverse", in)
}

// contains reports whether args[0] is contained in in, as jq understands it:
// texts as parts of texts, lists and objects by their elements.
func contains(r *run, in any, args []any) any {
	for _, v := range []any{in, args[0]} {
		if _, err := r.measure(v); err != nil {
			return err
		}
	}
	ok, err := holds(r, in, args[0])
	if err != nil {
		return err
	}
	return ok
}

func holds(r *run, v, x any) (bool, error) {
	if err := r.work(1); err != nil {
		return false, err
	}
	switch v := v.(type) {
	case string:
		if x, ok := x.(string); ok {
			return strings.Contains(v, x), r.work(len(v) / 256)
		}
	case []any:
		if x, ok := x.([]any); ok {
			return holdsAll(r, v, x)
		}
	case map[string]any:
		if x, ok := x.(map[string]any); ok {
			for k, x := range x {
				w, ok := v[k]
				if !ok {
					return false, nil
				}
				if ok, err := holds(r, w, x); !ok || err != nil {
					return false, err
				}
			}
			return true, nil
		}
	}
	if gojq.TypeOf(v) != gojq.TypeOf(x) {
		return false, fmt.Errorf("contains cannot be applied to: %s and %s", gojq.TypeOf(v), gojq.TypeOf(x))
	}
	return gojq.Compare(v, x) == 0, nil
}

func holdsAll(r *run, v, x []any) (bool, error) {
next:
	for _, x := range x {
		for _, v := range v {
			ok, err := holds(r, v, x)
			if r.err != nil {
				return false, r.err
			}
			if ok && err == nil { // elements of other types do not hold it
				continue next
			}
		}
		return false, nil
	}
	return true, nil
}

// indices gives the places of a text in a text, counted in letters, or of an
// element or a run of elements in a list.
func indices(r *run, in any, args []any) any {
	switch v := in.(type) {
	case nil:
		return nil
	case string:
		if x, ok := args[0].(string); ok {
			return textIndices(r, v, x)
		}
	case []any:
		x, ok := args[0].([]any)
		if !ok {
			x = []any{args[0]}
		}
		return listIndices(r, v, x)
	}
	return fmt.Errorf("indices cannot be applied to: %s and %s", gojq.TypeOf(in), gojq.TypeOf(args[0]))
}

func textIndices(r *run, s, x string) any {
	out := []any{}
	if x == "" {
		return out
	}
	if err := r.work(len(s) / 64); err != nil {
		return err
	}
	_, step := utf8.DecodeRuneInString(x)
	for letters := 0; ; letters++ { // places may overlap
		i := strings.Index(s, x)
		if i < 0 {
			return out
		}
		if err := r.make(3 * listBytes); err != nil {
			return err
		}
		if err := r.work(1 + len(x)/64); err != nil {
			return err
		}
		letters += utf8.RuneCountInString(s[:i])
		out = append(out, letters)
		s = s[i+step:]
	}
}

func listIndices(r *run, v, x []any) any {
	out := []any{}
	if len(x) == 0 {
		return out
	}
	size, err := r.measure(x)
	if err != nil {
		return err
	}
	if _, err := r.measure(v); err != nil {
		return err
	}
	for i := range len(v) - len(x) + 1 {
		if err := r.work(1 + size.nodes/8); err != nil {
			return err
		}
		if gojq.Compare(v[i:i+len(x)], x) == 0 {
			out = append(out, i)
		}
	}
	return out
}

// atEnd gives the first or the last of some places, null where there is none.
func atEnd(places any, last bool) any {
	list, ok := places.([]any)
	if !ok {
		return places
	}
	if len(list) == 0 {
		return nil
	}
	if last {
		return list[len(list)-1]
	}
	return list[0]
}

// trimPrefix is ltrimstr: what does not start like that, or is no text, stays.
func trimPrefix(_ *run, in any, args []any) any {
	s, ok := in.(string)
	x, xok := args[0].(string)
	if !ok || !xok {
		return in
	}
	return strings.TrimPrefix(s, x)
}

func trimSuffix(_ *run, in any, args []any) any {
	s, ok := in.(string)
	x, xok := args[0].(string)
	if !ok || !xok {
		return in
	}
	return strings.TrimSuffix(s, x)
}

// numeric is a number as jq takes it: with a plus sign, zeros in front, or
// without a digit on one side of the point, which JSON does not allow.
var numeric = regexp.MustCompile(`^\s*([+-]?)0*(\d*)(\.\d*)?([eE][+-]?\d+)?\s*$`)

func toNumber(_ *run, in any, _ []any) any {
	s, ok := in.(string)
	if !ok {
		if gojq.TypeOf(in) != "number" {
			return cannot("tonumber", in)
		}
		return in
	}
	bad := errors.New("tonumber cannot be applied to: this text is no number")
	if len(s) > maxDigits || !strings.ContainsAny(s, "0123456789") {
		return bad
	}
	m := numeric.FindStringSubmatch(s)
	if m == nil || m[2] == "" && m[3] == "." {
		return bad
	}
	sign, whole, fraction, exponent := strings.TrimPrefix(m[1], "+"), cmp.Or(m[2], "0"), m[3], m[4]
	if fraction == "." {
		fraction = ""
	}
	return number(json.Number(sign + whole + fraction + exponent))
}

func fromJSON(r *run, in any, _ []any) any {
	s, ok := in.(string)
	if !ok {
		return cannot("fromjson", in)
	}
	// A list of one-digit numbers is the worst: sixteen bytes for two.
	if err := r.make(8 * len(s)); err != nil {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return errors.New("fromjson cannot be applied to: this text is not JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("fromjson cannot be applied to: text follows the JSON")
	}
	if _, err := r.measure(v); err != nil {
		return err
	}
	return plain(v)
}

// textTest makes a function of a test of two texts.
func textTest(name string, test func(s, x string) bool) ownFunc {
	return func(_ *run, in any, args []any) any {
		s, ok := in.(string)
		x, xok := args[0].(string)
		if !ok || !xok {
			return fmt.Errorf("%s cannot be applied to: %s and %s", name, gojq.TypeOf(in), gojq.TypeOf(args[0]))
		}
		return test(s, x)
	}
}

func toText(r *run, in any, _ []any) any {
	s, err := textOf(r, in)
	if err != nil {
		return err
	}
	return s
}

func toJSON(r *run, in any, _ []any) any {
	if err := preText(r, in); err != nil {
		return err
	}
	b, err := gojq.Marshal(in)
	if err != nil {
		return err
	}
	return string(b)
}

// textOf is tostring, counted.
func textOf(r *run, v any) (string, error) {
	if err := preText(r, v); err != nil {
		return "", err
	}
	return Text(v), nil
}

// formatURI is @uri. Beside what RFC 3986 leaves unreserved it leaves !*'() as
// they are, as jq 1.5 did.
func formatURI(r *run, in any, _ []any) any {
	s, err := textOf(r, in)
	if err != nil {
		return err
	}
	if err := r.make(3 * len(s)); err != nil {
		return err
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~!*'()", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

func formatBase32(r *run, in any, _ []any) any {
	s, err := textOf(r, in)
	if err != nil {
		return err
	}
	if err := r.make(2 * len(s)); err != nil {
		return err
	}
	return base32.StdEncoding.EncodeToString([]byte(s))
}

func formatBase32Decode(r *run, in any, _ []any) any {
	s, err := textOf(r, in)
	if err != nil {
		return err
	}
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return errors.New("@base32d cannot be applied to: this text is not base32")
	}
	return string(b)
}
