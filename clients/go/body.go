package authd

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
)

// answerBody is the body of a streamed answer. No more than an inbox holds is read from the connection ahead
// of its reader, so that a slow one slows the API down.
type answerBody struct {
	exchange *exchange
	id       string
	url      string

	reading sync.Mutex
	rest    []byte
	pieces  int
	bytes   int64
	err     error
}

// Read returns what has come. io.EOF says that the body is whole.
func (b *answerBody) Read(into []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	for len(b.rest) == 0 {
		if b.err == nil {
			b.err = b.fill()
		}
		if b.err != nil {
			b.exchange.close()
			return 0, b.err
		}
		if len(into) == 0 {
			return 0, nil
		}
	}
	n := copy(into, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close takes the request back, if it is still under way.
func (b *answerBody) Close() error {
	b.exchange.unwatch()
	b.exchange.end(http.ErrBodyReadAfterClose)
	return nil
}

// fill waits for the next piece of the body.
func (b *answerBody) fill() error {
	for {
		got, err := b.exchange.next()
		switch {
		case err != nil:
			return final(err)
		case got.result != nil:
			return b.assertWhole(got.result)
		case got.piece == nil || string(got.piece.ID) != b.id:
			continue
		case got.piece.Seq != b.pieces:
			return failed("the answer is not whole: piece %d did not come", b.pieces)
		}
		b.pieces++
		b.bytes += int64(len(got.piece.Data))
		b.rest = got.piece.Data
		if len(b.rest) > 0 {
			return nil
		}
	}
}

// assertWhole returns io.EOF if the result counts what has come.
func (b *answerBody) assertWhole(result json.RawMessage) error {
	var told struct {
		Pieces float64 `json:"chunks"`
		Bytes  float64 `json:"bytes"`
	}
	if err := decode(result, &told); err != nil {
		return err
	}
	if int(told.Pieces) != b.pieces || int64(told.Bytes) != b.bytes {
		return failed("the answer is not whole: %d of %.0f bytes came", b.bytes, told.Bytes)
	}
	return io.EOF
}
