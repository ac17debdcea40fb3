package kafka

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// ledgerText is the text of a ledger whose varints are payload.
func ledgerText(payload []byte) string {
	raw := binary.LittleEndian.AppendUint32(append([]byte(nil), payload...), crc32.ChecksumIEEE(payload))
	return ledgerPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

func varints(values ...uint64) []byte {
	var b []byte
	for _, v := range values {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// TestLedgerText pins the text: a group may hold ledgers of an older version
// of the agent when a newer one takes over. The constants were made by another
// implementation of the format.
func TestLedgerText(t *testing.T) {
	t.Parallel()
	const far = 1234567890123
	for _, tc := range []struct {
		name string
		base int64
		l    ledger
		text string
	}{
		{"one waiting", 100, ledger{101, []entry{{100, false}}}, "pa1.AQC-I8JY"},
		{"one started", 100, ledger{101, []entry{{100, true}}}, "pa1.AQEoE8Uv"},
		{"settled between", 0, ledger{10, []entry{{0, true}, {3, false}, {9, true}}}, "pa1.CgEGDXSO0Gc"},
		{"distances of one to two bytes", far, ledger{far + 5000, []entry{{far, false}, {far + 63, false}, {far + 127, true}, {far + 4999, false}}}, "pa1.iCcAfoEBkExyJAjz"},
		{"a gap of the whole span", 7, ledger{7 + 1<<20 + 1, []entry{{7, true}, {7 + 1<<20, false}}}, "pa1.gYBAAYCAgAFllnUA"},
		{"nothing unsettled", 40, ledger{50, nil}, "pa1.CpMG1zI"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := tc.l.encode(tc.base); got != tc.text {
				t.Errorf("encode: got %q, want %q", got, tc.text)
			}
			got, err := decodeLedger(tc.base, tc.text)
			if err != nil || !reflect.DeepEqual(got, tc.l) {
				t.Errorf("decode: got %v, %v, want %v", got, err, tc.l)
			}
		})
	}
}

func TestLedgerTextOfOffsetAlone(t *testing.T) {
	t.Parallel()
	got, err := decodeLedger(42, "")
	if want := (ledger{high: 42}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestLedgerTextRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		base int64
		text string
	}{
		{"another writer's", 0, `{"offset":12}`},
		{"only a prefix", 0, "pa1."},
		{"a later version", 0, "pa2.AQC-I8JY"},
		{"prefix in capitals", 0, "PA1.AQC-I8JY"},
		{"not base64", 0, "pa1.AQC+I8JY"},
		{"padded", 0, "pa1.AQC-I8JY=="},
		{"stray bits at the end", 0, "pa1.CpMG1zJ"},
		{"cut by a byte", 0, "pa1.AQC-I8J"},
		{"cut by a group", 0, "pa1.iCcAfoEBkExyJA"},
		{"altered", 0, "pa1.AQG-I8JY"},
		{"no span", 0, ledgerText(nil)},
		{"span cut", 0, ledgerText([]byte{0x80})},
		{"span too long for 64 bits", 0, ledgerText([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))},
		{"span beyond all offsets", 0, ledgerText(varints(maxGap + 1))},
		{"span beyond the last offset", math.MaxInt64 - 1, ledgerText(varints(2))},
		{"distance beyond all offsets", 0, ledgerText(varints(maxGap, 1<<63))},
		{"distance beyond the last offset", math.MaxInt64 - maxGap, ledgerText(varints(maxGap, 2*(maxGap-1), 2*maxGap))},
		{"entry beyond its end", 0, ledgerText(varints(1, 2))},
		{"the same offset twice", 0, ledgerText(varints(5, 2, 0))},
		{"entry cut", 0, ledgerText([]byte{5, 2, 0x80})},
		{"more entries than a window holds", 0, ledgerText(varints(append([]uint64{2 * maxUnsettled}, slices.Repeat([]uint64{2}, maxUnsettled+1)...)...))},
		{"negative offset", -1, "pa1.AQC-I8JY"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if l, err := decodeLedger(tc.base, tc.text); !errors.Is(err, errLedger) {
				t.Errorf("decodeLedger(%d, %q): got %v, %v, want an error that wraps errLedger", tc.base, tc.text, l, err)
			}
		})
	}
}

// TestLedgerTextCutAnywhere takes the broker's side: whatever part of a text
// is left must not be taken for a whole one.
func TestLedgerTextCutAnywhere(t *testing.T) {
	t.Parallel()
	text := ledger{5000, []entry{{0, true}, {70, false}, {4100, true}, {4999, false}}}.encode(0)
	for n := 1; n < len(text); n++ {
		if l, err := decodeLedger(0, text[:n]); !errors.Is(err, errLedger) {
			t.Errorf("first %d of %d bytes: got %v, %v, want an error that wraps errLedger", n, len(text), l, err)
		}
	}
}

// TestLedgerTextFitsBroker builds the longest text that the bounds of the
// window allow, and a longer one that they do not: every distance of three
// bytes, a gap of seven at the end.
func TestLedgerTextFitsBroker(t *testing.T) {
	t.Parallel()
	const base = math.MaxInt64 - 2*maxGap
	l := ledger{}
	offset := int64(base)
	for range maxUnsettled - 1 {
		l.entries = append(l.entries, entry{offset, true})
		offset += maxSpan - 1
	}
	offset += maxGap - maxSpan*maxUnsettled // behind a gap that nothing bounds
	l.entries = append(l.entries, entry{offset, true})
	l.high = offset + 1
	text := l.encode(base)
	if len(text) > maxLedgerBytes {
		t.Errorf("longest text has %d bytes, more than a broker takes (%d)", len(text), maxLedgerBytes)
	}
	if got, err := decodeLedger(base, text); err != nil || !reflect.DeepEqual(got, l) {
		t.Errorf("longest text does not come back: %v", err)
	}
}

// FuzzDecodeLedger feeds the decoder both as text and as varints behind a
// right checksum, which the fuzzer would not find by itself.
func FuzzDecodeLedger(f *testing.F) {
	f.Add(int64(0), []byte("pa1.CgEGDXSO0Gc"))
	f.Add(int64(100), []byte("pa1.AQC-I8JY"))
	f.Add(int64(7), []byte{5, 1, 2, 4})
	f.Add(int64(math.MaxInt64-5), varints(3, 1, 2))
	f.Add(int64(math.MaxInt64), varints(maxGap, 1<<63))
	f.Add(int64(-1), varints(1, 1))
	f.Add(int64(0), []byte(""))
	f.Fuzz(func(t *testing.T, base int64, data []byte) {
		for _, text := range []string{string(data), ledgerPrefix + string(data), ledgerText(data)} {
			l, err := decodeLedger(base, text)
			if err != nil {
				if !errors.Is(err, errLedger) {
					t.Errorf("decodeLedger(%d, %q): error %v does not wrap errLedger", base, text, err)
				}
				continue
			}
			if text == "" {
				continue // says nothing, wherever it stands
			}
			checkLedger(t, base, l)
			again, err := decodeLedger(base, l.encode(base))
			if err != nil || !reflect.DeepEqual(again, l) {
				t.Errorf("decodeLedger(%d, %q): got %v, encoded and decoded %v, %v", base, text, l, again, err)
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

// FuzzEncodeLedger starts from the other end: what is written is read back as
// it was.
func FuzzEncodeLedger(f *testing.F) {
	f.Add(uint64(0), []byte{0, 1, 3, 200, 17})
	f.Add(uint64(1<<40), []byte(strings.Repeat("\x00\xff", 600)))
	f.Fuzz(func(t *testing.T, base uint64, steps []byte) {
		base &= 1<<62 - 1
		l := ledger{high: int64(base)}
		for i := 0; i < len(steps) && len(l.entries) < maxUnsettled; i++ {
			l.entries = append(l.entries, entry{offset: l.high, started: steps[i]&1 == 1})
			l.high += 1 + int64(steps[i]>>1)
		}
		got, err := decodeLedger(int64(base), l.encode(int64(base)))
		if err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("wrote %v at %d, read %v, %v", l, base, got, err)
		}
	})
}
