package kafka

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
)

// A record batch of Kafka: 61 bytes of header, then the records, compressed
// together or not. See https://kafka.apache.org/documentation/#recordbatch.
const (
	batchHead  = 12 // offset and length, which the length does not count
	headerSize = 61

	// unpackedMax is how many bytes of a batch are unpacked; the records behind
	// them are passed by. It bounds time: they are never held together.
	unpackedMax = 256 << 20
	// windowMax bounds the memory that unpacking takes. Eight megabytes is what
	// every reader of zstd should take, and more than producers of Kafka use.
	windowMax = 8 << 20
)

// errOversized means that a record, or what is packed into its batch, is
// larger than this agent takes.
var errOversized = errors.New("too large")

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

// room waits for the memory of an event of size bytes.
type room func(size int) (release func(), err error)

// decodeBatches yields the records of data with offsets from on. A record of
// more than limit bytes is yielded without its value.
func decodeBatches(data []byte, from int64, limit int, room room) steps {
	return func(yield func(record, error) bool) {
		for head := true; len(data) >= headerSize; head = false {
			size := batchHead + int(int32(binary.BigEndian.Uint32(data[8:])))
			if data[16] != 2 || size < headerSize {
				yield(record{}, fmt.Errorf("%w: format %d, %d bytes", errDamaged, data[16], size))
				return
			}
			b := batch{raw: data[:min(size, len(data))], first: int64(binary.BigEndian.Uint64(data))}
			b.next = b.first + int64(int32(binary.BigEndian.Uint32(data[23:]))) + 1
			b.count = int(int32(binary.BigEndian.Uint32(data[57:])))
			switch {
			case size > len(data):
				if head && len(data) > answerMax/2 { // it is larger than an answer may be
					yield(record{next: b.next, records: b.count, err: fmt.Errorf("%w: a batch of %d bytes", errOversized, size)}, nil)
				}
				return
			case crc32.Checksum(b.raw[21:], castagnoli) != binary.BigEndian.Uint32(b.raw[17:]):
				yield(record{}, fmt.Errorf("%w: wrong checksum at offset %d", errDamaged, b.first))
				return
			case b.next > from && !b.decode(from, limit, room, yield):
				return
			}
			data = data[size:]
		}
	}
}

// decode yields the batch's records and reports whether to go on behind it. What
// cannot be unpacked is passed by: the checksum is right, so that it is what was
// written.
func (b *batch) decode(from int64, limit int, room room, yield func(record, error) bool) bool {
	packed, err := unpack(b.raw)
	if err != nil {
		return yield(record{next: b.next, records: b.count, err: err}, nil)
	}
	defer packed.Close()
	unpacked := &io.LimitedReader{R: packed, N: unpackedMax}
	r := &recordReader{Reader: bufio.NewReader(unpacked)}
	for n := range b.count {
		rec, size := r.head(b.first)
		switch {
		case rec.next <= from:
			r.skip(size)
		case size > int64(limit):
			rec.err = fmt.Errorf("%w: a record of %d bytes", errOversized, size)
			r.skip(size)
		case r.err == nil:
			if rec.release, err = room(int(max(0, size))); err != nil {
				yield(record{}, err)
				return false
			}
			rec.value = r.bytes(size)
		}
		r.headers()
		if r.err != nil {
			if rec.release != nil {
				rec.release()
			}
			if unpacked.N <= 0 {
				r.err = fmt.Errorf("%w: more than %d bytes in a batch", errOversized, unpackedMax)
			}
			return yield(record{next: b.next, records: b.count - n, err: r.err}, nil)
		}
		if rec.next > from {
			if from = rec.next; !yield(rec, nil) {
				return false
			}
		}
	}
	return b.next <= from || yield(record{next: b.next}, nil)
}

// unpack returns the records of a batch to read.
func unpack(raw []byte) (io.ReadCloser, error) {
	data := raw[headerSize:]
	code := kafka.Compression(binary.BigEndian.Uint16(raw[21:]) & 7)
	switch code {
	case 0:
		return io.NopCloser(bytes.NewReader(data)), nil
	case kafka.Snappy:
		if !snappyFits(data) {
			return nil, fmt.Errorf("%w: snappy block of more than %d bytes", errOversized, windowMax)
		}
	case kafka.Zstd: // kafka-go's own reader would take a window of 512 MiB
		d, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(windowMax))
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		return d.IOReadCloser(), nil
	}
	codec := code.Codec()
	if codec == nil {
		return nil, fmt.Errorf("unpack: compression %d is not known", code)
	}
	return codec.NewReader(bytes.NewReader(data)), nil
}

// snappyFits looks at the sizes that snappy blocks claim, because their reader
// makes room for all of it: one block, or blocks in the framing of
// snappy-java.
func snappyFits(data []byte) bool {
	const frames = 16 // bytes of the framing's header
	if len(data) < frames || string(data[:8]) != "\x82SNAPPY\x00" {
		size, n := binary.Uvarint(data)
		return n > 0 && size <= windowMax
	}
	for data = data[frames:]; len(data) >= 4; {
		n := int(binary.BigEndian.Uint32(data))
		if n > len(data)-4 {
			return false
		}
		if size, m := binary.Uvarint(data[4 : 4+n]); m <= 0 || size > windowMax {
			return false
		}
		data = data[4+n:]
	}
	return true
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
func (r *recordReader) head(first int64) (rec record, size int64) {
	r.varint() // length
	r.skip(1)  // attributes
	r.varint() // timestamp
	rec = record{next: first + r.varint() + 1, records: 1}
	r.skip(r.varint()) // key
	return rec, r.varint()
}

// headers passes by what follows the value.
func (r *recordReader) headers() {
	for range 2 * min(r.varint(), 1<<20) { // keys and values
		r.skip(r.varint())
	}
}
