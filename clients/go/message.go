package authd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// maxRequestBytes is the longest message that the daemon takes.
const maxRequestBytes = 8 << 20

// message is what comes from the daemon, a line each: an answer, or a notification.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *wireError      `json:"error"`
}

// number returns the id as this package gives them; false for any other one.
func (m *message) number() (uint64, bool) {
	id, err := strconv.ParseUint(string(m.ID), 10, 64)
	return id, err == nil
}

// isAboutConnection tells whether m is an error of the connection as a whole, which the daemon ends then.
func (m *message) isAboutConnection() bool {
	return m.Error != nil && (len(m.ID) == 0 || string(m.ID) == "null")
}

// readMessage returns the next message. A line has no limit: an answer is as long as its body.
func readMessage(reader *bufio.Reader) (*message, error) {
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if line[0] != '{' {
			return nil, errors.New("a message is no object")
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			return nil, err
		}
		return &m, nil
	}
}

// encode returns v as JSON, without a line end in it.
func encode(v any) (json.RawMessage, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, invalid("the params are no JSON: %v", err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// encodeRequest returns the line of a request.
func encodeRequest(id uint64, method string, params json.RawMessage) ([]byte, error) {
	name, err := encode(method)
	if err != nil {
		return nil, err
	}
	line := make([]byte, 0, len(params)+len(name)+64)
	line = fmt.Appendf(line, `{"jsonrpc":"2.0","id":%d,"method":%s,"params":`, id, name)
	line = append(append(line, params...), '}', '\n')
	if len(line) > maxRequestBytes {
		text := fmt.Sprintf("the request takes %d bytes; authd accepts %d in one message", len(line), maxRequestBytes)
		return nil, &Error{Reason: ErrRequestTooLarge, Message: text}
	}
	return line, nil
}

// encodeCancel returns the line that takes a request back.
func encodeCancel(id uint64) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":%d}}`+"\n", id)
}

// decode reads a result of the daemon's.
func decode(result json.RawMessage, into any) error {
	if err := json.Unmarshal(result, into); err != nil {
		return &Error{Reason: ErrInternal, Message: fmt.Sprintf("authd's answer can't be read: %v", err), cause: err}
	}
	return nil
}
