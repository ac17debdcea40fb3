// Package batch reads Kafka's record batches within bounds: a batch that is small
// in the log and huge when it is unpacked costs time, not memory. kafka-go and
// other clients unpack a whole batch before they hand out its first record.
//
// One record is unpacked at a time, and only if it is not too large and its
// reader has room for it. What is too large or cannot be unpacked is passed by,
// with an error that says why.
//
// The package does no I/O, keeps no offsets and knows nothing of what a record
// says. It takes the codecs from kafka-go, but for zstd's.
package batch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"time"
)

// A record batch of Kafka: 61 bytes of header, then the records, compressed
// together or not. See https://kafka.apache.org/documentation/#recordbatch.
const (
	lengthEnd  = 12 // of offset and length, which the length does not count
	headerSize = 61

	// unpackedMax is how many bytes of a batch are unpacked; the records behind
	// them are passed by. It bounds time: they are never held together.
	unpackedMax = 256 << 20
)

// ErrOversized means that a record, or what is packed into its batch, is larger
// than is taken.
var ErrOversized = errors.New("too large")

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errDamaged = errors.New("record batch is damaged")
)

// batch is one record batch as it came.
type batch struct {
	raw         []byte
	first, next int64 // offsets, of its first record and behind its last
	count       int
}

// Record is a step in the reading of a partition.
type Record struct {
	Next    int64     // the offset where reading goes on behind it
	Time    time.Time // of the producer; only with a value
	Value   []byte
	Release func() // gives back the memory of the value, nil where there is none
	// Count is how many records there are in this step: one, none where offsets
	// have no record (compaction has removed it), and more only with an Err.
	Count int
	Err   error // why the value is not here; wraps ErrOversized where that is the reason
}

// Room waits until there is memory for a value of size bytes.
type Room func(size int) (release func(), err error)

// Read yields the records of data, batches as a broker sends them, that have
// offsets from from on. A record of more than limit bytes is yielded without its
// value. An error ends the reading.
//
// The last batch may be incomplete, and is left to the next reading. Where cut is
// true, and it is the first one too, it never fits: its records are yielded as one
// step that wraps ErrOversized.
func Read(data []byte, cut bool, from int64, limit int, room Room) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for head := true; len(data) >= headerSize; head = false {
			size := lengthEnd + int(int32(binary.BigEndian.Uint32(data[8:])))
			if data[16] != 2 || size < headerSize {
				yield(Record{}, fmt.Errorf("%w: format %d, %d bytes", errDamaged, data[16], size))
				return
			}
			b := batch{raw: data[:min(size, len(data))], first: int64(binary.BigEndian.Uint64(data))}
			b.next = b.first + int64(int32(binary.BigEndian.Uint32(data[23:]))) + 1
			b.count = int(max(0, min(b.next-b.first, int64(int32(binary.BigEndian.Uint32(data[57:]))))))
			switch {
			case size > len(data):
				if head && cut {
					yield(Record{Next: b.next, Count: b.count, Err: fmt.Errorf("%w: a batch of %d bytes", ErrOversized, size)}, nil)
				}
				return
			case crc32.Checksum(b.raw[21:], castagnoli) != binary.BigEndian.Uint32(b.raw[17:]):
				yield(Record{}, fmt.Errorf("%w: wrong checksum at offset %d", errDamaged, b.first))
				return
			case b.next > from && !b.read(from, limit, room, yield):
				return
			}
			data = data[size:]
		}
	}
}

// read yields the batch's records and reports whether to go on behind it. What
// cannot be unpacked is passed by: the checksum is right, so that it is what was
// written.
func (b *batch) read(from int64, limit int, room Room, yield func(Record, error) bool) bool {
	packed, err := unpack(b.raw)
	if err != nil {
		return yield(Record{Next: b.next, Count: b.count, Err: err}, nil)
	}
	defer packed.Close()
	unpacked := &io.LimitedReader{R: packed, N: unpackedMax}
	r := &recordReader{Reader: bufio.NewReader(unpacked)}
	for n := range b.count {
		rec, size := r.head(b)
		switch {
		case rec.Next <= from:
			r.skip(size)
		case r.err == nil && rec.Next > b.next: // brokers check it in compressed batches alone
			r.err = fmt.Errorf("%w: it has offset %d", errDamaged, rec.Next-1)
		case size > int64(limit):
			rec.Err = fmt.Errorf("%w: a record of %d bytes", ErrOversized, size)
			r.skip(size)
		case r.err == nil:
			if rec.Release, err = room(int(max(0, size))); err != nil {
				yield(Record{}, err)
				return false
			}
			rec.Value = r.bytes(size)
		}
		r.headers()
		if r.err != nil {
			if rec.Release != nil {
				rec.Release()
			}
			if unpacked.N <= 0 {
				r.err = fmt.Errorf("%w: more than %d bytes in a batch", ErrOversized, unpackedMax)
			}
			return yield(Record{Next: b.next, Count: b.count - n, Err: r.err}, nil)
		}
		if rec.Next > from {
			if from = rec.Next; !yield(rec, nil) {
				return false
			}
		}
	}
	return b.next <= from || yield(Record{Next: b.next}, nil)
}

// recordReader reads the records of a batch one after another. Its first error
// stays.
type recordReader struct {
	*bufio.Reader
	err error
}

func (r *recordReader) varint() (v int64) {
	if r.err == nil {
		v, r.err = binary.ReadVarint(r.Reader)
	}
	return v
}

func (r *recordReader) skip(n int64) {
	if r.err == nil && n > 0 {
		_, r.err = io.CopyN(io.Discard, r.Reader, n)
	}
}

func (r *recordReader) bytes(n int64) []byte {
	if r.err != nil || n <= 0 {
		return nil
	}
	b := make([]byte, n)
	_, r.err = io.ReadFull(r.Reader, b)
	return b
}

// head reads up to a record's value, and returns the value's size.
func (r *recordReader) head(b *batch) (rec Record, size int64) {
	r.varint() // length
	r.skip(1)  // attributes
	rec = Record{Count: 1, Time: time.UnixMilli(int64(binary.BigEndian.Uint64(b.raw[27:])) + r.varint())}
	rec.Next = b.first + r.varint() + 1
	r.skip(r.varint()) // key
	return rec, r.varint()
}

// headers passes by what follows the value.
func (r *recordReader) headers() {
	for range 2 * min(r.varint(), 1<<20) { // keys and values
		r.skip(r.varint())
	}
}
