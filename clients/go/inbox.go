package authd

import "sync"

// mostUntaken is how many bytes of an answer's messages wait for its reader; with more the daemon waits.
const mostUntaken = 256 << 10

// inbox holds what has come of an answer until its reader takes it.
type inbox struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting []sized
	bytes   int
	err     error
}

// sized is a part, and the bytes of its message.
type sized struct {
	part  part
	bytes int
}

func newInbox() *inbox {
	i := &inbox{}
	i.changed = sync.NewCond(&i.mu)
	return i
}

// put adds a part, and waits until there is room for more.
func (i *inbox) put(got part, bytes int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waiting = append(i.waiting, sized{got, bytes})
	i.bytes += bytes
	i.changed.Broadcast()
	for i.err == nil && i.bytes > mostUntaken {
		i.changed.Wait()
	}
}

// take waits for the next part, or the end.
func (i *inbox) take() part {
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.err == nil && len(i.waiting) == 0 {
		i.changed.Wait()
	}
	if i.err != nil {
		return part{err: i.err}
	}
	first := i.waiting[0]
	i.waiting[0] = sized{}
	i.waiting = i.waiting[1:]
	i.bytes -= first.bytes
	i.changed.Broadcast()
	return first.part
}

// end throws away what waits: err is all that is taken from now on.
func (i *inbox) end(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = err
	i.waiting = nil
	i.changed.Broadcast()
}
