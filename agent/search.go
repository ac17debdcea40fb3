package agent

import (
	"bytes"
	"cmp"
	"slices"
)

// index finds the forms of many secrets in one pass over a text, by a hash of
// six bytes, with one bit for each hash in use. Almost every position of almost
// every text ends at that bit. It is not changed once it is in use.
type index struct {
	used  [1 << hashBits / 64]uint64
	heads map[uint32][]*head
	count int             // of heads
	short map[string]bool // replaced only where they are the whole of a text
}

// head is the beginning that forms have in common.
type head struct {
	text   []byte
	forms  []form
	number int // among all of the index
}

const (
	hashBits  = 13
	headBytes = 32 // of a head at most
)

func (x *index) add(secret string) {
	if short(secret) {
		if x.short == nil {
			x.short = make(map[string]bool)
		}
		x.short[secret] = true
		return
	}
	if x.heads == nil {
		x.heads = make(map[uint32][]*head)
	}
	for _, f := range formsOf(secret) {
		text := []byte(f.text[:min(headBytes, len(f.text))])
		h := hash(text)
		x.used[h/64] |= 1 << (h % 64)
		i := slices.IndexFunc(x.heads[h], func(have *head) bool { return bytes.Equal(have.text, text) })
		if i < 0 {
			i = len(x.heads[h])
			x.heads[h] = append(x.heads[h], &head{text: text, number: x.count})
			x.count++
		}
		x.heads[h][i].forms = append(x.heads[h][i].forms, f)
	}
}

// hash takes the minSecret bytes at the start of b, which must be there.
func hash(b []byte) uint32 {
	word := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40
	return uint32(word * 0x9e3779b97f4a7c15 >> (64 - hashBits)) // Knuth's multiplicative hash
}

// span is a part of a text.
type span struct{ start, end int }

// search appends to spans where text has a form. Once a head is found, its
// forms are searched for by bytes.Index, whose time is in proportion to the
// text: a text and a secret that repeat themselves cost no more than others.
func (x *index) search(text []byte, spans []span) []span {
	if len(x.heads) == 0 {
		return spans
	}
	var done []bool
	for i := 0; i+minSecret <= len(text); i++ {
		h := hash(text[i:])
		if x.used[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		for _, begin := range x.heads[h] {
			if done != nil && done[begin.number] || !bytes.HasPrefix(text[i:], begin.text) {
				continue
			}
			if done == nil {
				done = make([]bool, x.count)
			}
			done[begin.number] = true
			for _, f := range begin.forms {
				spans = f.search(text, i, spans)
			}
		}
	}
	return spans
}

// search appends to spans where text has f, from a position on.
func (f form) search(text []byte, from int, spans []span) []span {
	for {
		i := bytes.Index(text[from:], []byte(f.text))
		if i < 0 {
			return spans
		}
		start, end := from+i, from+i+len(f.text)
		spans = append(spans, span{max(start-f.before, 0), min(end+f.after, len(text))})
		from = end
	}
}

// replace puts the mark in the place of spans, of those that overlap one.
func replace(text []byte, spans []span) []byte {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	var out []byte
	end := 0
	for i, s := range spans {
		if i > 0 && s.start < end {
			end = max(end, s.end)
			continue
		}
		out = append(append(out, text[end:s.start]...), redacted...)
		end = s.end
	}
	return append(out, text[end:]...)
}
