package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go"
)

// windowMax bounds the memory that unpacking takes. Eight megabytes is what
// every reader of zstd should take, and more than producers of Kafka use.
const windowMax = 8 << 20

// unpack returns the records of a batch to read.
func unpack(raw []byte) (io.ReadCloser, error) {
	data := raw[headerSize:]
	code := kafka.Compression(binary.BigEndian.Uint16(raw[21:]) & 7)
	switch code {
	case 0:
		return io.NopCloser(bytes.NewReader(data)), nil
	case kafka.Snappy:
		if !snappyFits(data) {
			return nil, fmt.Errorf("%w: snappy block of more than %d bytes", ErrOversized, windowMax)
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
