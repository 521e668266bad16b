package authd

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// chunkBytes: smaller parts cost more messages, larger ones hold up other programs.
	chunkBytes = 128 << 10
	// window is how many parts are sent before the first of them is answered.
	window = 8
	// longPause is how long a source may pause before an empty part says that it goes on: authd waits 60 s.
	longPause = 20 * time.Second
	// shortPause is the same once the answer has begun: an API that is content takes its end from a part.
	shortPause = time.Second
)

// sender sends the body of a request in parts, as its source gives them.
type sender struct {
	exchange *exchange
	upload   string
	source   io.Reader
	// inFlight holds one for each part that is not answered.
	inFlight chan struct{}
	isSent   chan struct{}
	hasHead  atomic.Bool
	closing  sync.Once

	mu     sync.Mutex
	seq    int
	isOver bool
	sentAt time.Time
}

type chunkParams struct {
	Upload string `json:"upload"`
	Seq    int    `json:"seq"`
	Data   []byte `json:"data"`
	Last   bool   `json:"last,omitempty"`
}

// upload opens a request whose body is source, and goes on sending it. If source is an io.Closer, it is closed
// when nobody needs it any more.
func (x *exchange) upload(params requestParams, source io.Reader) error {
	if err := x.send("request/open", params); err != nil {
		return err
	}
	got, err := x.next()
	if err != nil {
		return err
	}
	var opened struct {
		Upload string `json:"upload"`
	}
	if got.result == nil {
		return failed("authd has answered before it took the body")
	}
	if err := decode(got.result, &opened); err != nil {
		return err
	}
	s := &sender{
		exchange: x,
		upload:   opened.Upload,
		source:   source,
		inFlight: make(chan struct{}, window),
		isSent:   make(chan struct{}),
		sentAt:   time.Now(),
	}
	x.mu.Lock()
	x.sender = s
	x.mu.Unlock()
	go s.run()
	go s.keepAlive()
	return nil
}

// put sends a part once there is room for it; false: nobody wants it.
func (s *sender) put(data []byte, last bool) bool {
	select {
	case s.inFlight <- struct{}{}:
		return s.write(data, last)
	case <-s.exchange.isEnded:
		return false
	}
}

func (s *sender) write(data []byte, last bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isOver {
		return false
	}
	err := s.exchange.send("request/chunk", chunkParams{Upload: s.upload, Seq: s.seq, Data: data, Last: last})
	s.seq++
	s.isOver = last
	s.sentAt = time.Now()
	return err == nil
}

// keepAlive sends an empty part while the source pauses.
func (s *sender) keepAlive() {
	ticker := time.NewTicker(shortPause)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-s.isSent:
			return
		case <-s.exchange.isEnded:
			return
		}
		if len(s.inFlight) == 0 && s.isPausing() {
			s.put([]byte{}, false)
		}
	}
}

func (s *sender) isPausing() bool {
	pause := longPause
	if s.hasHead.Load() {
		pause = shortPause
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.sentAt) >= pause
}

// free makes room for another part.
func (s *sender) free() {
	select {
	case <-s.inFlight:
	default:
	}
}

// close closes the source, which ends a read of it.
func (s *sender) close() {
	s.closing.Do(func() {
		if closer, isCloser := s.source.(io.Closer); isCloser {
			_ = closer.Close()
		}
	})
}
