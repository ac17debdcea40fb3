package ledger

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// brokerLimit is how long a broker lets metadata be by default.
const brokerLimit = 4096

// ledgerText is the text of a ledger at offset base whose varints are payload.
func ledgerText(base int64, payload []byte) string {
	raw := binary.LittleEndian.AppendUint32(append([]byte(nil), payload...), checksum(payload, runsZero, base))
	return prefix + base64.RawURLEncoding.EncodeToString(raw)
}

func varints(values ...uint64) []byte {
	var b []byte
	for _, v := range values {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// TestText pins the text: a group may hold ledgers of an older version
// of the agent when a newer one takes over. The constants were made by another
// implementation of the format.
func TestText(t *testing.T) {
	t.Parallel()
	const far = 1234567890123
	for _, tc := range []struct {
		name string
		base int64
		l    ledger
		text string
	}{
		{"one waiting", 100, ledger{high: 101, entries: []entry{{100, false}}}, "pa1.AQAA8g038Q"},
		{"one started", 100, ledger{high: 101, entries: []entry{{100, true}}}, "pa1.AQABMtK5MA"},
		{"settled between", 0, ledger{high: 10, entries: []entry{{0, true}, {3, false}, {9, true}}}, "pa1.CgABBg0Zp6I8"},
		{"distances of one to two bytes", far, ledger{high: far + 5000, entries: []entry{{far, false}, {far + 63, false}, {far + 127, true}, {far + 4999, false}}}, "pa1.iCcAAH6BAZBMheQSIw"},
		{"a gap of the whole span", 7, ledger{high: 7 + 1<<20 + 1, entries: []entry{{7, true}, {7 + 1<<20, false}}}, "pa1.gYBAAAGAgIAB6aM_8w"},
		{"nothing unsettled", 40, ledger{high: 50, entries: nil}, "pa1.CgDqV6r4"},
		{"vouched for from an offset on", 40, ledger{high: 50, vouched: 2040, entries: []entry{{41, true}}}, "pa1.CtAPAw_k2mA"},
		{"nothing read", 42, ledger{high: 42}, "pa1.AABCbgv0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := tc.l.commit(runsZero, tc.base).Metadata; got != tc.text {
				t.Errorf("encode: got %q, want %q", got, tc.text)
			}
			got, err := plain(decode(runsZero, Commit{tc.base, tc.text}))
			if err != nil || !reflect.DeepEqual(got, tc.l) {
				t.Errorf("decode: got %v, %v, want %v", got, err, tc.l)
			}
		})
	}
}

// TestLedgerOfAnotherPlace keeps a text that was moved from being believed: a
// tool that moves offsets may keep the metadata.
func TestLedgerOfAnotherPlace(t *testing.T) {
	t.Parallel()
	text := ledger{high: 60, entries: []entry{{50, true}, {55, false}}}.commit(runsZero, 50).Metadata
	for _, at := range []struct {
		Place
		base int64
	}{{runsZero, 49}, {runsZero, 51}, {Place{"runs", 1}, 50}, {Place{"run", 0}, 50}, {Place{"runs/0", 0}, 50}} {
		if l, err := plain(decode(at.Place, Commit{at.base, text})); !errors.Is(err, errText) {
			t.Errorf("read at %v offset %d: got %v, %v, want an error that wraps errText", at.Place, at.base, l, err)
		}
	}
}

func TestTextRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		base int64
		text string
	}{
		{"none", 0, ""},
		{"another writer's", 0, `{"offset":12}`},
		{"only a prefix", 0, "pa1."},
		{"a later version", 0, "pa2.AQAA8g038Q"},
		{"prefix in capitals", 0, "PA1.AQAA8g038Q"},
		{"not base64", 0, "pa1.AQAA+g038Q"},
		{"padded", 42, "pa1.AABCbgv0=="},
		{"stray bits at the end", 100, "pa1.AQAA8g038R"},
		{"cut by a byte", 42, "pa1.AABCbgv"},
		{"cut by a group", 1234567890123, "pa1.iCcAAH6BAZBMheQ"},
		{"altered", 100, "pa1.AQAC8g038Q"},
		{"a version that did not name its place", 100, "pa1.AQC-I8JY"},
		{"no span", 0, ledgerText(0, nil)},
		{"no beginning", 0, ledgerText(0, []byte{5, 0x80})},
		{"beginning beyond all offsets", 0, ledgerText(0, varints(1, maxGap+1))},
		{"span cut", 0, ledgerText(0, []byte{0x80})},
		{"span too long for 64 bits", 0, ledgerText(0, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))},
		{"span beyond all offsets", 0, ledgerText(0, varints(maxGap+1, 0))},
		{"span beyond the last offset", math.MaxInt64 - 1, ledgerText(math.MaxInt64-1, varints(2, 0))},
		{"distance beyond all offsets", 0, ledgerText(0, varints(maxGap, 0, 1<<63))},
		{"distance beyond the last offset", math.MaxInt64 - maxGap, ledgerText(math.MaxInt64-maxGap, varints(maxGap, 0, 2*(maxGap-1), 2*maxGap))},
		{"entry beyond its end", 0, ledgerText(0, varints(1, 0, 2))},
		{"the same offset twice", 0, ledgerText(0, varints(5, 0, 2, 0))},
		{"entry cut", 0, ledgerText(0, []byte{5, 0, 2, 0x80})},
		{"more entries than a window holds", 0, ledgerText(0, varints(append([]uint64{2 * maxUnsettled, 0}, slices.Repeat([]uint64{2}, maxUnsettled+1)...)...))},
		{"negative offset", -1, ledgerText(-1, varints(1, 0, 0))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if l, err := plain(decode(runsZero, Commit{tc.base, tc.text})); !errors.Is(err, errText) {
				t.Errorf("decode(runsZero, {%d, %q}): got %v, %v, want an error that wraps errText", tc.base, tc.text, l, err)
			}
		})
	}
}

// TestTextCutAnywhere takes the broker's side: whatever part of a text
// is left must not be taken for a whole one.
func TestTextCutAnywhere(t *testing.T) {
	t.Parallel()
	text := ledger{high: 5000, entries: []entry{{0, true}, {70, false}, {4100, true}, {4999, false}}}.commit(runsZero, 0).Metadata
	for n := 1; n < len(text); n++ {
		if l, err := plain(decode(runsZero, Commit{0, text[:n]})); !errors.Is(err, errText) {
			t.Errorf("first %d of %d bytes: got %v, %v, want an error that wraps errText", n, len(text), l, err)
		}
	}
}

// TestTextFitsBroker builds the longest text that the bounds of the
// window allow, and a longer one that they do not: every distance of three
// bytes, a gap of seven at the end.
func TestTextFitsBroker(t *testing.T) {
	t.Parallel()
	const base = math.MaxInt64 - 2*maxGap
	l := ledger{vouched: base + maxGap}
	offset := int64(base)
	for range maxUnsettled - 1 {
		l.entries = append(l.entries, entry{offset, true})
		offset += maxSpan - 1
	}
	offset += maxGap - maxSpan*maxUnsettled // behind a gap that nothing bounds
	l.entries = append(l.entries, entry{offset, true})
	l.high = offset + 1
	text := l.commit(runsZero, base).Metadata
	if len(text) > brokerLimit {
		t.Errorf("longest text has %d bytes, more than a broker takes (%d)", len(text), brokerLimit)
	}
	if got, err := plain(decode(runsZero, Commit{base, text})); err != nil || !reflect.DeepEqual(got, l) {
		t.Errorf("longest text does not come back: %v", err)
	}
}

// FuzzDecode feeds the decoder both as text and as varints behind a
// right checksum, which the fuzzer would not find by itself.
func FuzzDecode(f *testing.F) {
	f.Add(int64(0), []byte("pa1.CgABBg0Zp6I8"))
	f.Add(int64(100), []byte("pa1.AQAA8g038Q"))
	f.Add(int64(7), []byte{5, 9, 1, 2, 4})
	f.Add(int64(math.MaxInt64-5), varints(3, 0, 1, 2))
	f.Add(int64(math.MaxInt64), varints(maxGap, maxGap, 1<<63))
	f.Add(int64(-1), varints(1, 0, 1))
	f.Add(int64(0), []byte(""))
	f.Fuzz(func(t *testing.T, base int64, data []byte) {
		for _, text := range []string{string(data), prefix + string(data), ledgerText(base, data)} {
			l, err := plain(decode(runsZero, Commit{base, text}))
			if err != nil {
				if !errors.Is(err, errText) {
					t.Errorf("decode(runsZero, {%d, %q}): error %v does not wrap errText", base, text, err)
				}
				continue
			}
			checkLedger(t, base, l)
			again, err := plain(decode(runsZero, l.commit(runsZero, base)))
			if err != nil || !reflect.DeepEqual(again, l) {
				t.Errorf("decode(runsZero, {%d, %q}): got %v, encoded and decoded %v, %v", base, text, l, again, err)
			}
		}
	})
}

// checkLedger fails unless l keeps its promises: entries ascend between base
// and the high offset, and there are no more than a window holds.
func checkLedger(t *testing.T, base int64, l ledger) {
	t.Helper()
	if l.high < base {
		t.Errorf("high offset %d lies before the committed one %d", l.high, base)
	}
	if len(l.entries) > maxUnsettled {
		t.Errorf("%d entries, more than %d", len(l.entries), maxUnsettled)
	}
	for i, e := range l.entries {
		if e.offset < base || e.offset >= l.high || i > 0 && e.offset <= l.entries[i-1].offset {
			t.Errorf("entry %d of %v does not ascend from %d to below %d", i, l.entries, base, l.high)
			return
		}
	}
}

// FuzzEncode starts from the other end: what is written is read back as
// it was.
func FuzzEncode(f *testing.F) {
	f.Add(uint64(0), []byte{0, 1, 3, 200, 17})
	f.Add(uint64(1<<40), []byte(strings.Repeat("\x00\xff", 600)))
	f.Fuzz(func(t *testing.T, base uint64, steps []byte) {
		base &= 1<<62 - 1
		l := ledger{high: int64(base)}
		for i := 0; i < len(steps) && len(l.entries) < maxUnsettled; i++ {
			l.entries = append(l.entries, entry{offset: l.high, started: steps[i]&1 == 1})
			l.high += 1 + int64(steps[i]>>1)
		}
		got, err := plain(decode(runsZero, l.commit(runsZero, int64(base))))
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("wrote %v at %d, read %v, %v", l, base, got, err)
		}
	})
}
