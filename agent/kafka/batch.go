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
	first, last int64 // offsets
	count       int
}

// decodeBatches yields the records of data with offsets from on. A record of
// more than limit bytes is yielded without its value.
func decodeBatches(data []byte, from int64, limit int, room func(size int) error) steps {
	return func(yield func(record, error) bool) {
		for head := true; len(data) >= headerSize; head = false {
			size := batchHead + int(int32(binary.BigEndian.Uint32(data[8:])))
			if data[16] != 2 || size < headerSize {
				yield(record{}, fmt.Errorf("%w: format %d, %d bytes", errDamaged, data[16], size))
				return
			}
			b := batch{raw: data[:min(size, len(data))], first: int64(binary.BigEndian.Uint64(data))}
			b.last = b.first + int64(int32(binary.BigEndian.Uint32(data[23:])))
			b.count = int(int32(binary.BigEndian.Uint32(data[57:])))
			cut := size > len(data)
			switch {
			case cut && head && len(data) > answerMax/2: // it is larger than an answer may be
				yield(record{next: b.last + 1, records: b.count, err: fmt.Errorf("%w: a batch of %d bytes", errOversized, size)}, nil)
				return
			case cut:
				return
			case crc32.Checksum(b.raw[21:], castagnoli) != binary.BigEndian.Uint32(b.raw[17:]):
				yield(record{}, fmt.Errorf("%w: wrong checksum at offset %d", errDamaged, b.first))
				return
			}
			data = data[size:]
			if b.last >= from && !b.decode(from, limit, room, yield) {
				return
			}
		}
	}
}

// decode yields the batch's records and reports whether to go on behind it.
func (b *batch) decode(from int64, limit int, room func(size int) error, yield func(record, error) bool) bool {
	unpacked := &io.LimitedReader{N: unpackedMax}
	packed, err := unpack(b.raw)
	if err == nil {
		defer packed.Close()
		unpacked.R = packed
		r := &recordReader{Reader: bufio.NewReader(unpacked), base: b.first, from: from, limit: limit, room: room}
		for n := 0; n < b.count && err == nil; n++ {
			var rec record
			if rec, err = r.next(); err == nil && rec.next > from && !yield(rec, nil) {
				return false
			}
			if err == nil {
				from = max(from, rec.next)
			}
			var full *roomError
			if errors.As(err, &full) {
				yield(record{}, full.error)
				return false
			}
			if err != nil { // the checksum is right: what came is what was written
				if unpacked.N <= 0 {
					err = fmt.Errorf("%w: more than %d bytes in a batch", errOversized, unpackedMax)
				}
				b.count -= n
			}
		}
	}
	end := record{next: b.last + 1}
	if err != nil {
		end.records, end.err = b.count, err
	}
	return end.records == 0 && end.next <= from || yield(end, nil)
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

// roomError is what room said.
type roomError struct{ error }

// recordReader reads the records of a batch one after another.
type recordReader struct {
	*bufio.Reader
	base, from int64
	limit      int
	room       func(size int) error
	err        error
}

func (r *recordReader) varint() int64 {
	if r.err != nil {
		return 0
	}
	var v int64
	v, r.err = binary.ReadVarint(r.Reader)
	return v
}

func (r *recordReader) skip(n int64) {
	if r.err == nil && n > 0 {
		_, r.err = io.CopyN(io.Discard, r.Reader, n)
	}
}

func (r *recordReader) next() (record, error) {
	r.varint() // length
	r.skip(1)  // attributes
	r.varint() // timestamp
	offset := r.base + r.varint()
	r.skip(r.varint()) // key
	rec := record{next: offset + 1, records: 1}
	size := r.varint()
	switch {
	case r.err != nil:
		return rec, r.err
	case offset < r.from:
		r.skip(size)
	case size > int64(r.limit):
		rec.err = fmt.Errorf("%w: a record of %d bytes", errOversized, size)
		r.skip(size)
	case size > 0:
		if err := r.room(int(size)); err != nil {
			return rec, &roomError{err}
		}
		rec.value = make([]byte, size)
		_, r.err = io.ReadFull(r.Reader, rec.value)
	default:
		if err := r.room(0); err != nil {
			return rec, &roomError{err}
		}
	}
	for range 2 * min(r.varint(), 1<<20) { // keys and values of headers
		r.skip(r.varint())
	}
	return rec, r.err
}
