package agent

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// form is a text to search for. The characters next to it, before and after,
// go with it when it is found.
type form struct {
	text          string
	before, after int
}

// formIndex finds any of many forms in one pass over a text: by a hash of the
// first four bytes, with one bit for each hash in use. Almost every position
// of almost every text ends at that bit.
type formIndex struct {
	used    [1 << hashBits / 64]uint64
	buckets map[uint32][]form
}

const hashBits = 14

// hash takes the four bytes at the start of s, which must be there.
func hash(s string) uint32 {
	word := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
	return word * 2654435761 >> (32 - hashBits) // Knuth's multiplicative hash
}

// add enters f, whose text is of four bytes or more, once more.
func (x *formIndex) add(f form) {
	if x.buckets == nil {
		x.buckets = make(map[uint32][]form)
	}
	h := hash(f.text)
	x.buckets[h] = append(x.buckets[h], f)
	x.used[h/64] |= 1 << (h % 64)
}

// remove takes f out once.
func (x *formIndex) remove(f form) {
	h := hash(f.text)
	bucket := x.buckets[h]
	if i := slices.Index(bucket, f); i >= 0 {
		bucket = slices.Delete(bucket, i, i+1)
	}
	if len(bucket) > 0 {
		x.buckets[h] = bucket
		return
	}
	delete(x.buckets, h)
	x.used[h/64] &^= 1 << (h % 64)
}

// span is a part of a text.
type span struct{ start, end int }

// search calls found for each form in text.
func (x *formIndex) search(text string, found func(span)) {
	for i := 0; i+minSecret <= len(text); i++ {
		h := hash(text[i:])
		if x.used[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		for _, f := range x.buckets[h] {
			if strings.HasPrefix(text[i:], f.text) {
				found(span{max(i-f.before, 0), min(i+len(f.text)+f.after, len(text))})
			}
		}
	}
}

// maxLayers is how many layers of escaping are looked through. A secret with a
// quote in it, in JSON, in a JSON string, in a log line takes three.
const maxLayers = 3

// find gives the parts of text that are to be redacted, in order and apart
// from each other.
func (r *Redactor) find(text string) []span {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.short > 0 && r.refs[text] > 0 {
		return []span{{0, len(text)}}
	}
	return merge(r.findIn(view{text: text}, maxLayers, nil))
}

// findIn searches a view and those below it. JSON and URL escapes are taken
// off one at a time: a secret may itself hold what looks like the other.
func (r *Redactor) findIn(v view, layers int, spans []span) []span {
	r.forms.search(v.text, func(s span) { spans = append(spans, v.original(s)) })
	if layers == 0 {
		return spans
	}
	if strings.IndexByte(v.text, '\\') >= 0 {
		spans = r.findIn(v.unescape('\\', jsonEscape), layers-1, spans)
	}
	if strings.IndexByte(v.text, '%') >= 0 {
		spans = r.findIn(v.unescape('%', urlEscape), layers-1, spans)
	}
	return spans
}

// merge sorts spans and joins those that overlap.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.start < out[n-1].end {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// view is a text with a layer of escapes taken off, and where each of its
// bytes begins in the text it was made from.
type view struct {
	text string
	at   []int32 // one more than bytes; nil: the text itself
}

// original gives the part of the first text that s stands for.
func (v view) original(s span) span {
	return span{int(v.origin(s.start)), int(v.origin(s.end))}
}

func (v view) origin(i int) int32 {
	if v.at == nil {
		return int32(i)
	}
	return v.at[i]
}

// unescape gives the view below v: with the escapes that mark introduces and
// decode reads taken off. It is empty where there are none.
func (v view) unescape(mark byte, decode unescaper) view {
	out := make([]byte, 0, len(v.text))
	at := make([]int32, 0, len(v.text)+1)
	for i := 0; i < len(v.text); {
		before, n := len(out), 0
		if v.text[i] == mark {
			out, n = decode(out, v.text[i:])
		}
		if n == 0 {
			out, n = append(out, v.text[i]), 1
		}
		for range len(out) - before {
			at = append(at, v.origin(i))
		}
		i += n
	}
	if len(out) == len(v.text) { // every escape is longer than what it stands for
		return view{}
	}
	return view{text: string(out), at: append(at, v.origin(len(v.text)))}
}

// unescaper appends what the escape at the start of text stands for, and gives
// its length: 0 where it is none.
type unescaper func(dst []byte, text string) ([]byte, int)

// urlEscape reads %XX.
func urlEscape(dst []byte, text string) ([]byte, int) {
	if len(text) < 3 {
		return dst, 0
	}
	b, err := strconv.ParseUint(text[1:3], 16, 8)
	if err != nil {
		return dst, 0
	}
	return append(dst, byte(b)), 3
}

// jsonEscape reads the escapes of RFC 8259, section 7.
func jsonEscape(dst []byte, text string) ([]byte, int) {
	if len(text) < 2 {
		return dst, 0
	}
	switch c := text[1]; c {
	case '"', '\\', '/':
		return append(dst, c), 2
	case 'b', 'f', 'n', 'r', 't':
		return append(dst, "\b\f\n\r\t"[strings.IndexByte("bfnrt", c)]), 2
	case 'u':
		return unicodeEscape(dst, text)
	}
	return dst, 0
}

func unicodeEscape(dst []byte, text string) ([]byte, int) {
	r, ok := codeUnit(text)
	if !ok {
		return dst, 0
	}
	if low, ok := codeUnit(text[6:]); ok && utf16.IsSurrogate(r) {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return utf8.AppendRune(dst, pair), 12
		}
	}
	return utf8.AppendRune(dst, r), 6
}

// codeUnit reads \uXXXX.
func codeUnit(text string) (rune, bool) {
	if len(text) < 6 || text[:2] != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(text[2:6], 16, 16)
	return rune(n), err == nil
}
