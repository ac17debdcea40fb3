package ledger

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
)

// The metadata of a commit is "pa1." + base64url(varints + CRC-32). The varints
// are: the distance from the committed offset to the high offset, then the
// distance to the first offset that the ledger vouches for (0: it vouches for
// all), then for every unsettled offset its distance to the one before (to the
// committed offset for the first), times two, plus one where it was started. An
// offset below the high offset that is not listed is settled; the high offset
// and everything after it was never read.
//
// The checksum covers the topic, the partition and the committed offset as
// well: a text that was moved to another place or offset is not valid there.
const (
	prefix = "pa1."

	// maxUnsettled is how many events of a partition may be unsettled at a time.
	maxUnsettled = 1000
	// maxSpan is how far the reading of a partition may run ahead of its first
	// unsettled event. A distance below it, doubled, takes three bytes. Only the
	// last record read can lie further off, behind a gap in the offsets.
	maxSpan = 1 << 20
	// maxGap bounds such a gap when a text is read.
	maxGap = 1 << 48
)

// known is the content of a text.
type known struct {
	high int64 // offsets from here on were never read
	// vouched is the first offset that the ledger vouches for. Events before it
	// were in the log already when an owner without a ledger began: an unsettled
	// one may have been carried out before that.
	vouched int64
	entries []*Entry // unsettled, ascending
}

var errText = errors.New("not a ledger of this agent")

// encode returns the commit of a place whose first unsettled offset is base.
func (k *known) encode(p Place, base int64) Commit {
	raw := make([]byte, 0, 3*len(k.entries)+24)
	raw = binary.AppendUvarint(raw, uint64(k.high-base))
	raw = binary.AppendUvarint(raw, uint64(max(0, k.vouched-base)))
	last := base
	for _, e := range k.entries {
		d := uint64(e.offset-last) << 1
		if e.stage != Waiting {
			d |= 1
		}
		raw = binary.AppendUvarint(raw, d)
		last = e.offset
	}
	raw = binary.LittleEndian.AppendUint32(raw, checksum(raw, p, base))
	return Commit{base, prefix + base64.RawURLEncoding.EncodeToString(raw)}
}

func checksum(payload []byte, p Place, base int64) uint32 {
	sum := crc32.ChecksumIEEE(payload)
	return crc32.Update(sum, crc32.IEEETable, fmt.Appendf(nil, "%s/%d", p, base))
}

// decode reads the metadata of p's commit c. Text of another writer, version or
// place, text that was cut, and no text at all are errors that wrap errText.
func decode(p Place, c Commit) (known, error) {
	body, ok := strings.CutPrefix(c.Metadata, prefix)
	if !ok {
		return known{}, fmt.Errorf("%w: it does not begin with %s", errText, prefix)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) < 6 {
		return known{}, fmt.Errorf("%w: damaged text", errText)
	}
	payload, sum := raw[:len(raw)-4], raw[len(raw)-4:]
	if checksum(payload, p, c.Offset) != binary.LittleEndian.Uint32(sum) {
		return known{}, fmt.Errorf("%w: the checksum is of another text, partition or offset", errText)
	}
	return decodeNumbers(c.Offset, payload)
}

func decodeNumbers(base int64, payload []byte) (known, error) {
	next := func() uint64 { // larger than any distance where there is none
		v, n := binary.Uvarint(payload)
		if n <= 0 {
			n, v = len(payload), math.MaxUint64
		}
		payload = payload[n:]
		return v
	}
	span, vouched, limit := next(), next(), uint64(min(maxGap, math.MaxInt64-max(0, base)))
	if base < 0 || span > limit || vouched > limit {
		return known{}, fmt.Errorf("%w: bad span", errText)
	}
	k := known{high: base + int64(span)}
	if vouched > 0 {
		k.vouched = base + int64(vouched)
	}
	for last := base; len(payload) > 0; {
		d := next()
		distance, started := d>>1, d&1 == 1
		if distance >= uint64(k.high-last) || distance == 0 && len(k.entries) > 0 || len(k.entries) == maxUnsettled {
			return known{}, fmt.Errorf("%w: bad entry", errText)
		}
		last += int64(distance)
		e := &Entry{offset: last, Interrupted: started}
		if started {
			e.stage = Started
		}
		k.entries = append(k.entries, e)
	}
	return k, nil
}
