package kafka

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
)

// The ledger is what a commit says beyond its offset. Kafka commits one
// offset per partition; with events settled out of order that offset is the
// first unsettled one, and the commit's metadata lists which of the later
// offsets are unsettled too, and which of those were started.
//
// Text form: "pa1." + base64url(varints + CRC-32). The varints are: the
// distance from the committed offset to the high offset, then the distance to
// the first offset that the ledger vouches for (0: it vouches for all), then for
// every unsettled offset its distance to the one before (to the committed offset
// for the first), times two, plus one where it was started. An offset below the
// high offset that is not listed is settled; the high offset and everything
// after it was never read.
//
// The checksum covers the topic, the partition and the committed offset as
// well: a text that was moved with another offset says nothing.
//
// The text never exceeds 4,096 bytes, a broker's default limit
// (offset.metadata.max.bytes), because the window it describes is bounded:
// maxUnsettled entries of three bytes each.
const (
	ledgerPrefix = "pa1."

	// maxUnsettled is how many events of a partition may be unsettled at a
	// time.
	maxUnsettled = 1000
	// maxSpan is how far the reading of a partition may run ahead of its first
	// unsettled event. A distance below it, doubled, takes three bytes. Only the
	// last record read can lie further off, behind a gap in the offsets.
	maxSpan = 1 << 20
	// maxGap bounds such a gap when a ledger is read.
	maxGap = 1 << 48

	maxLedgerBytes = 4096
)

// entry is one unsettled offset of a ledger.
type entry struct {
	offset  int64
	started bool
}

// ledger is the decoded form. The committed offset itself is not part of it:
// it travels in the commit's own field.
type ledger struct {
	high int64 // offsets from here on were never read
	// vouched is the first offset that the ledger vouches for. Events before it
	// were in the log already when an owner without a ledger began: an unsettled
	// one may have been carried out before that.
	vouched int64
	entries []entry
}

var errLedger = errors.New("not a ledger of this agent")

// encode returns the text of the ledger of a partition whose committed offset is
// base.
func (l ledger) encode(p partition, base int64) string {
	raw := make([]byte, 0, 3*len(l.entries)+24)
	raw = binary.AppendUvarint(raw, uint64(l.high-base))
	raw = binary.AppendUvarint(raw, uint64(max(0, l.vouched-base)))
	last := base
	for _, e := range l.entries {
		d := uint64(e.offset-last) << 1
		if e.started {
			d |= 1
		}
		raw = binary.AppendUvarint(raw, d)
		last = e.offset
	}
	raw = binary.LittleEndian.AppendUint32(raw, checksum(raw, p, base))
	return ledgerPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

func checksum(payload []byte, p partition, base int64) uint32 {
	sum := crc32.ChecksumIEEE(payload)
	return crc32.Update(sum, crc32.IEEETable, fmt.Appendf(nil, "%s/%d/%d", p.topic, p.id, base))
}

// decodeLedger reads the metadata of p's commit at offset base. Text of another
// writer, version or place, text that was cut, and no text at all are errors
// that wrap errLedger.
func decodeLedger(p partition, base int64, text string) (ledger, error) {
	body, ok := strings.CutPrefix(text, ledgerPrefix)
	if !ok {
		return ledger{}, fmt.Errorf("%w: it does not begin with %s", errLedger, ledgerPrefix)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) < 6 {
		return ledger{}, fmt.Errorf("%w: damaged text", errLedger)
	}
	payload, sum := raw[:len(raw)-4], raw[len(raw)-4:]
	if checksum(payload, p, base) != binary.LittleEndian.Uint32(sum) {
		return ledger{}, fmt.Errorf("%w: the checksum is of another text, partition or offset", errLedger)
	}
	return decodeEntries(base, payload)
}

func decodeEntries(base int64, payload []byte) (ledger, error) {
	span, n := binary.Uvarint(payload)
	if n <= 0 || base < 0 || span > maxGap || span > uint64(math.MaxInt64-base) {
		return ledger{}, fmt.Errorf("%w: bad span", errLedger)
	}
	l := ledger{high: base + int64(span)}
	payload = payload[n:]
	span, n = binary.Uvarint(payload)
	if n <= 0 || span > maxGap || span > uint64(math.MaxInt64-base) {
		return ledger{}, fmt.Errorf("%w: bad beginning", errLedger)
	}
	if span > 0 {
		l.vouched = base + int64(span)
	}
	payload = payload[n:]
	for last, first := base, true; len(payload) > 0; first = false {
		d, n := binary.Uvarint(payload)
		if n <= 0 || (!first && d>>1 == 0) || len(l.entries) == maxUnsettled {
			return ledger{}, fmt.Errorf("%w: bad entry", errLedger)
		}
		if d>>1 >= uint64(l.high-last) { // a sum could overflow
			return ledger{}, fmt.Errorf("%w: entry beyond its end", errLedger)
		}
		last += int64(d >> 1)
		l.entries = append(l.entries, entry{offset: last, started: d&1 == 1})
		payload = payload[n:]
	}
	return l, nil
}
