package authd

import "io"

// run sends the whole source. What it gives while there is no room for a part goes together.
func (s *sender) run() {
	defer close(s.isSent)
	defer s.close()
	given := make(chan []byte)
	go s.read(given)
	var waiting []byte
	for given != nil || len(waiting) > 0 {
		more, room := given, s.inFlight
		if len(waiting) >= chunkBytes {
			more = nil
		}
		if len(waiting) == 0 {
			room = nil
		}
		select {
		case data, isMore := <-more:
			if !isMore {
				given = nil
			}
			waiting = append(waiting, data...)
		case room <- struct{}{}:
			n := min(len(waiting), chunkBytes)
			if !s.write(waiting[:n], false) {
				return
			}
			waiting = append(waiting[:0], waiting[n:]...)
		case <-s.exchange.isEnded:
			return
		}
	}
	s.put([]byte{}, true)
}

// read hands on what the source gives, and closes given at its end. One buffer is read into while the other
// one is copied.
func (s *sender) read(given chan<- []byte) {
	buffers := [2][]byte{make([]byte, chunkBytes), make([]byte, chunkBytes)}
	for at := 0; ; at = 1 - at {
		n, err := s.source.Read(buffers[at])
		if n > 0 {
			select {
			case given <- buffers[at][:n]:
			case <-s.isSent:
				return
			}
		}
		if err == io.EOF {
			close(given)
			return
		}
		if err != nil {
			s.exchange.end(&Error{
				Reason: ErrRequestFailed, Message: "the body can't be read: " + err.Error(), cause: err,
			})
			return
		}
	}
}
